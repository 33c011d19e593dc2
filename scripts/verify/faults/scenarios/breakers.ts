import type { Scenario } from './scenario.ts';
import { onStage, until } from './stage.ts';

const breaker = { errorThresholdPercentage: 50, volumeThreshold: 10, resetTimeoutMs: 300 };

/** No target is left. */
export const allDown: Scenario = {
  title:
    'the breakers of all targets are open: 503 in less than 5 ms, with a time to come back, and nothing is sent',
  async run() {
    return onStage(
      {
        targets: 2,
        policy: { maxAttempts: 2 },
        change: (config) => ({ ...config, breaker: { ...breaker, resetTimeoutMs: 30_000 } }),
      },
      async ({ site, upstreams, check, figure }) => {
        for (const upstream of upstreams) upstream.script({ do: 'status', status: 500 });
        for (let index = 0; index < 60; index++) await site.ask(false);
        const before = upstreams.map(({ seen }) => seen.length);
        const got = [];
        for (let index = 0; index < 20; index++) got.push(await site.ask(index % 2 === 0));
        const after = upstreams.map(({ seen }) => seen.length);
        check(String(before) === String(after), `${before} requests had reached the targets, then ${after}`);
        check(
          got.every(({ status }) => status === 503),
          `the statuses are ${got.map(({ status }) => status)}`,
        );
        const waits = got.map(({ headers }) => Number(headers['retry-after']));
        check(
          waits.every((wait) => wait >= 1 && wait <= 60),
          `the waits are ${waits}`,
        );
        const times = got.map(({ totalMs }) => totalMs).sort((one, other) => one - other);
        const median = times[Math.floor(times.length / 2)] ?? Number.NaN;
        check(median < 5, `it takes ${median.toFixed(1)} ms`);
        figure(`refused in ${median.toFixed(2)} ms, median of ${times.length}`);
      },
    );
  },
};

/** Everybody waits for the same target. */
export const halfOpenHerd: Scenario = {
  title:
    'a thousand requests at once when the breaker may probe: one of them reaches the target, a hundred wait for the outcome and are answered',
  async run() {
    const patience = { maxAttempts: 1, minBackoffMs: 1, maxBackoffMs: 5_000 };
    return onStage(
      { maxSockets: 1_000, change: (config) => ({ ...config, breaker, retry: patience }) },
      async ({ site, upstreams, check, figure }) => {
        const [upstream] = upstreams;
        upstream?.script({ do: 'status', status: 500 });
        for (let index = 0; index < breaker.volumeThreshold; index++) await site.ask(false);
        const before = upstream?.seen.length ?? 0;
        upstream?.script({ do: 'delay', ms: 1_500 });
        // longer than the first ejection with all of its jitter
        await new Promise((resolve) => setTimeout(resolve, breaker.resetTimeoutMs * 2));
        const all = Promise.all(Array.from({ length: 1_000 }, () => site.ask(false)));
        await until(() => (upstream?.seen.length ?? 0) > before);
        // the probe is answered after 1.5 s; until then nobody else may come
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        const probes = (upstream?.seen.length ?? 0) - before;
        check(probes === 1, `${probes} requests reached the target while it was probed`);
        upstream?.script({ do: 'answer' });
        const got = await all;
        const answered = got.filter(({ status }) => status === 200).length;
        const refused = got.filter(({ status }) => status === 503).length;
        check(answered >= 101, `${answered} were answered`);
        check(answered + refused === 1_000, `${answered} answered and ${refused} refused are not all`);
        figure(`${probes} probe, ${answered} answered, ${refused} refused meanwhile`);
        check((await site.ask(false)).status === 200, 'the target did not come back');
      },
    );
  },
  isHeavy: true,
};

/** Half of the replies fail, for long. */
export const flapping: Scenario = {
  title: 'half of the replies fail: attempts are at most 1.2 times the requests, plus three',
  async run() {
    let seed = 7;
    const toRandom = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed / 2_147_483_648;
    };
    return onStage(
      {
        targets: 2,
        maxSockets: 32,
        // a breaker would hide the storm
        change: (config) => ({ ...config, breaker: { ...breaker, errorThresholdPercentage: 100 } }),
      },
      async ({ site, upstreams, check, figure }) => {
        for (const upstream of upstreams)
          upstream.decide(() => (toRandom() < 0.5 ? { do: 'status', status: 500 } : { do: 'answer' }));
        const requests = 1_000;
        let next = 0;
        const work = async () => {
          while (next++ < requests) await site.ask(false);
        };
        await Promise.all(Array.from({ length: 32 }, work));
        const attempts = upstreams.reduce((sum, { seen }) => sum + seen.length, 0);
        const most = 1.2 * requests + 3;
        check(attempts <= most, `${attempts} attempts for ${requests} requests, more than ${most}`);
        check(attempts > requests, 'nothing was tried again');
        figure(`${attempts} attempts for ${requests} requests`);
      },
    );
  },
  isHeavy: true,
};
