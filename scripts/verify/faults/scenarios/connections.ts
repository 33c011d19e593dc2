import { readFileSync } from 'node:fs';
import type { Scenario } from './scenario.ts';
import { onStage, until } from './stage.ts';

/** A reply that belongs to nobody. */
export const poison: Scenario = {
  title: 'a second reply on an idle connection: the next request gets its own answer, on another connection',
  async run() {
    return onStage({ maxSockets: 1 }, async ({ site, upstreams, dialect, check }) => {
      const [upstream] = upstreams;
      for (let index = 0; index < 5; index++) {
        upstream?.script({ do: 'poison' });
        const first = await site.ask(index % 2 === 1);
        check(first.status === 200, `status ${first.status}, not 200`);
        upstream?.script({ do: 'answer' });
        const next = await site.ask(false);
        check(
          !next.body.toString().includes('poison'),
          'the next request got the reply that nobody asked for',
        );
        check(dialect.textOfReply(JSON.parse(next.body.toString())) !== '', 'the next request got no answer');
      }
      const [one, other] = upstream?.seen.slice(-2) ?? [];
      check(one?.connection !== other?.connection, 'the connection was used again');
      await until(() => (upstream?.open ?? 0) <= 1);
      check((upstream?.open ?? 0) <= 1, `${upstream?.open} connections are open`);
    });
  },
};

/** A provider that never comes to the point. */
export const informationalFlood: Scenario = {
  title:
    'endless informational replies: given up by the timeout for the headers at the latest, with no memory lost to them',
  isHeavy: true,
  async run() {
    return onStage(
      { targets: 2, policy: { headersMs: 1_000 } },
      async ({ site, upstreams, check, figure }) => {
        upstreams[0]?.script({ do: 'informational', count: 100_000_000 });
        const before = residentBytes();
        const got = await site.ask(false);
        const grown = (residentBytes() - before) / 1_048_576;
        check(got.status === 200 || got.status === 502 || got.status === 504, `status ${got.status}`);
        check(got.totalMs < 5_000, `it took ${got.totalMs.toFixed(0)} ms`);
        check(grown < 64, `${grown.toFixed(0)} MiB more are resident`);
        await until(() => upstreams[0]?.open === 0);
        check(upstreams[0]?.open === 0, 'the connection was not ended');
        figure(`ended after ${got.totalMs.toFixed(0)} ms with status ${got.status}`);
      },
    );
  },
};

/** A provider that reports more than anybody can have used. */
export const overrun: Scenario = {
  title:
    'usage is a thousand times what was held: the answer is delivered, all of it is counted, and the next request is refused',
  async run() {
    return onStage(
      {
        change: (config) => ({
          ...config,
          profiles: {
            standard: {
              limits: [{ unit: 'tokens', amount: 20_000, window: 'lifetime', per: 'organisation' }],
            },
          },
        }),
      },
      async ({ site, upstreams, check }) => {
        upstreams[0]?.script({ do: 'usage', how: 'inflated' });
        const first = await site.ask(false);
        check(first.status === 200, `status ${first.status}, not 200`);
        await until(() => site.journal.open === 0);
        const [state] = site.journal.states();
        check((state?.used ?? 0) > 20_000, `${state?.used} tokens are counted`);
        const next = await site.ask(false);
        check(next.status === 402 || next.status === 429, `the next request got status ${next.status}`);
        check(upstreams[0]?.seen.length === 1, 'the next request was sent');
      },
    );
  },
};

/** Bytes of this process that are in memory. */
export function residentBytes(): number {
  if (process.platform !== 'linux') return process.memoryUsage.rss();
  const pages = readFileSync('/proc/self/statm', 'utf8').split(' ')[1];
  return Number(pages) * 4_096;
}
