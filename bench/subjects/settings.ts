import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What a Node subject is told by the bench. */
export const port = Number(process.env.PORT);
/** Without a trailing slash. */
export const upstreamUrl = process.env.UPSTREAM_URL ?? 'http://127.0.0.1:1';
export const host = '127.0.0.1';
export const listenOptions = { port, host, backlog: 4096 };
/** The sockets and time limits of the gateway's own upstream pool, for the proxy it is measured against. */
export const poolOptions = {
  connections: 16_384,
  pipelining: 1,
  headersTimeout: 300_000,
  bodyTimeout: 120_000,
  connect: { timeout: 3_000 },
};

// the bench died without ending this process
process.on('disconnect', () => process.exit(0));

// asked for the live heap: what is left after a full collection
process.on('message', (message) => {
  if (message !== 'live') return;
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  process.send?.({ liveKb: process.memoryUsage().heapUsed / 1024 });
});
