/**
 * One caller on one connection: sends the same request again and again, the next when the last reply is complete. Same
 * arguments, except the connections, and same last line as `load-without-wrk.ts`.
 *
 * wrk is not used for this: it corrects for coordinated omission, so its percentiles at one connection are shares of
 * the time, not of the requests. Next to requests of 60 µs, a pause of 3 ms counts as fifty.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createMessageReader } from './http-reader.ts';
import { percentile } from './statistics.ts';

const [target = '', seconds = '1'] = process.argv.slice(2);
const url = new URL(target);
const body = readFileSync(process.env.BENCH_BODY ?? '');
const head = [
  `POST ${url.pathname}${url.search} HTTP/1.1`,
  `host: ${url.host}`,
  ...(process.env.BENCH_HEADERS ?? '').split('\n'),
  `content-length: ${body.length}`,
  '\r\n',
].join('\r\n');
const request = Buffer.concat([Buffer.from(head), body]);

/** Until its own code is warm, it would measure itself. */
const warmUpMs = 500;

const latencies: number[] = [];
let requests = 0;
let errors = 0;
let refused = 0;

const socket = connect({ port: Number(url.port), host: url.hostname, noDelay: true });
await once(socket, 'connect');
const startedMs = performance.now();
const endMs = startedMs + warmUpMs + Number(seconds) * 1000;
let sentMs = 0;
const send = () => {
  sentMs = performance.now();
  socket.write(request);
};
const read = createMessageReader((firstLine) => {
  const nowMs = performance.now();
  if (Number(firstLine.split(' ')[1]) > 399) refused++;
  requests++;
  if (nowMs > startedMs + warmUpMs) latencies.push((nowMs - sentMs) * 1000);
  if (nowMs < endMs) send();
  else socket.end();
});
socket.on('data', read);
socket.on('error', () => errors++);
send();
await once(socket, 'close');
const durationUs = (performance.now() - startedMs) * 1000;
// closed by the other side while a reply was due
if (startedMs + durationUs / 1000 < endMs) errors = Math.max(errors, 1);
const p50Us = percentile(latencies, 50) || 0;
const p99Us = percentile(latencies, 99) || 0;
console.log(JSON.stringify({ requests, durationUs, p50Us, p99Us, errors, refused }));
