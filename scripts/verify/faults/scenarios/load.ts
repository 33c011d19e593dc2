import { Worker } from 'node:worker_threads';
import { createClient } from '../client.ts';
import type { Scenario } from './scenario.ts';
import { onStage, until } from './stage.ts';

/** One key asks for everything. */
export const hotKey: Scenario = {
  title:
    '5,000 requests with one key against one budget, 64 at once: all are counted exactly, and another key is served meanwhile',
  isHeavy: true,
  async run() {
    return onStage({ maxSockets: 64, record: () => undefined }, async ({ site, check, figure }) => {
      const requests = 5_000;
      let next = 0;
      let failed = 0;
      const times: number[] = [];
      const work = async () => {
        while (next++ < requests) {
          const got = await site.ask(false);
          if (got.status !== 200) failed++;
        }
      };
      const startedMs = performance.now();
      const other = createClient();
      let isOver = false;
      const beside = (async () => {
        const { path, headers, body } = site.dialect.toRequest('the-model', true);
        const ask = { authorization: `Bearer ${site.key}`, ...headers };
        while (!isOver) {
          const got = await other.send({
            url: `${site.url}${path}`,
            headers: ask,
            body: JSON.stringify(body),
          });
          if (got.status !== 200) failed++;
          times.push(got.totalMs);
        }
      })();
      await Promise.all(Array.from({ length: 64 }, work));
      isOver = true;
      await beside;
      other.close();
      const seconds = (performance.now() - startedMs) / 1_000;
      check(failed === 0, `${failed} requests were not answered`);
      await until(() => site.journal.open === 0);
      const [state] = site.journal.states();
      const sum = [...site.journal.settled.values()].reduce((total, [tokens = 0]) => total + tokens, 0);
      check(state?.used === sum, `${state?.used} tokens are counted, ${sum} were settled`);
      times.sort((one, another) => one - another);
      const p99 = times[Math.floor(times.length * 0.99)] ?? Number.NaN;
      figure(
        `${(requests / seconds).toFixed(0)} requests/s; beside it ${times.length} streams, p99 ${p99.toFixed(0)} ms`,
      );
      check(times.length >= 5, `only ${times.length} streams were served beside it`);
    });
  },
};

// speaks on while the gateway's own loop stands still
const clockwork = `
  const { createServer } = require('node:http');
  const { parentPort } = require('node:worker_threads');
  const server = createServer((request, response) => {
    request.resume();
    parentPort.postMessage('asked');
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let count = 0;
    const timer = setInterval(() => {
      const chunk = { id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'word ' }, finish_reason: null }] };
      if (count++ < 25) return response.write('data: ' + JSON.stringify(chunk) + '\\n\\n');
      clearInterval(timer);
      const last = { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: { prompt_tokens: 5, completion_tokens: 25, total_tokens: 30 } };
      response.end('data: ' + JSON.stringify(last) + '\\n\\ndata: [DONE]\\n\\n');
    }, 100);
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

/** A function of the host's that does not come back for two seconds. */
export const blockedLoop: Scenario = {
  title:
    'the event loop is blocked for two seconds, with timeouts of one second: the stream goes on, and no timeout fires for it',
  isHeavy: true,
  async run() {
    const worker = new Worker(clockwork, { eval: true });
    const port = await new Promise<number>((resolve) => worker.once('message', resolve));
    try {
      return await onStage(
        {
          policy: { idleMs: 1_000, headersMs: 1_000, firstTokenMs: 1_000, maxAttempts: 1 },
          toAddress: () => `http://127.0.0.1:${port}`,
        },
        async ({ site, dialect, check, figure }) => {
          const mid = site.ask(true);
          await new Promise((resolve) => setTimeout(resolve, 500));
          block(2_000);
          const hasLeft = new Promise((resolve) => worker.once('message', resolve));
          const early = site.ask(true);
          // its request has left, and then nothing moves
          await hasLeft;
          block(2_000);
          for (const [what, got] of [
            ['in its middle', await mid],
            ['before its first byte', await early],
          ] as const) {
            const read = dialect.readStream(got.body);
            check(got.status === 200, `${what}: status ${got.status}: ${got.body.toString().slice(0, 200)}`);
            check(read.isWhole, `${what}: cut with ${read.errors[0]?.code ?? 'no error'}`);
            check(read.text === 'word '.repeat(25), `${what}: ${read.text.length / 5} words of 25`);
          }
          figure('two streams over two standstills of 2 s each');
        },
      );
    } finally {
      await worker.terminate();
    }
  },
};

function block(forMs: number): void {
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs);
}
