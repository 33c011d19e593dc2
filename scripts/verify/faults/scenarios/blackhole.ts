import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { findFreePort } from '../places.ts';
import type { Scenario } from './scenario.ts';
import { onStage } from './stage.ts';

// A listener that never accepts: its thread sleeps. When its queue is full, Linux drops what else wants to connect.
const sleeper = `
  const { createServer } = require('node:net');
  const { parentPort, workerData } = require('node:worker_threads');
  createServer().listen({ port: workerData, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage('listening');
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });
`;

async function startBlackhole(): Promise<{ port: number; close(): Promise<void> }> {
  const port = await findFreePort();
  const worker = new Worker(sleeper, { eval: true, workerData: port });
  await once(worker, 'message');
  const fillers: Socket[] = [];
  // until one is not taken any more
  for (let tries = 0; tries < 16; tries++) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    fillers.push(socket);
    const isTaken = await Promise.race([
      once(socket, 'connect').then(() => true),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 100)),
    ]);
    if (!isTaken) break;
  }
  return {
    port,
    async close() {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
}

/** A target whose network swallows every attempt to connect. */
export const blackhole: Scenario = {
  title:
    'the network swallows the connection attempt: the next target answers after `connectTimeoutMs`; without one, 502',
  isHeavy: true,
  async run() {
    if (process.platform !== 'linux')
      return { findings: [], skipped: 'a full queue of a listener drops only on Linux' };
    const hole = await startBlackhole();
    const connectMs = 300;
    const toAddress = (isFirst: boolean, port: number) => `http://127.0.0.1:${isFirst ? hole.port : port}`;
    try {
      const pair = await onStage(
        { targets: 2, policy: { connectMs }, toAddress: ({ port }, index) => toAddress(index === 0, port) },
        async ({ site, upstreams, check, figure }) => {
          const got = await site.ask(false);
          check(got.status === 200, `status ${got.status}, not 200`);
          check(upstreams[1]?.seen.length === 1, 'the second target did not answer');
          check(got.totalMs >= connectMs - 10, `it did not wait to connect: ${got.totalMs.toFixed(0)} ms`);
          check(got.totalMs < connectMs + 1_500, `it took ${got.totalMs.toFixed(0)} ms`);
          figure(`answered after ${got.totalMs.toFixed(0)} ms with a timeout of ${connectMs} ms`);
        },
      );
      const alone = await onStage(
        { policy: { connectMs, maxAttempts: 2 }, toAddress: () => toAddress(true, 0) },
        async ({ site, check }) => {
          const got = await site.ask(true);
          check(got.status === 502, `status ${got.status}, not 502`);
          check(
            site.records[0]?.errorCode === 'upstream_unreachable',
            `the error is ${site.records[0]?.errorCode}`,
          );
        },
      );
      return { findings: [...pair.findings, ...alone.findings], figures: pair.figures ?? [] };
    } finally {
      await hole.close();
    }
  },
};
