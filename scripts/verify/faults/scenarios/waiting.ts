import { createShiftedRuntime } from '../shifted-runtime.ts';
import type { Scenario } from './scenario.ts';
import { onStage } from './stage.ts';

/** 429 is no illness. */
export const rateLimitHealth: Scenario = {
  title: 'thirty 429s in a row open no breaker: the target is asked again as soon as it may be',
  async run() {
    const runtime = createShiftedRuntime();
    return onStage({ runtime, policy: { maxAttempts: 1 } }, async ({ site, upstreams, check }) => {
      const [upstream] = upstreams;
      upstream?.script({ do: 'status', status: 429 });
      for (let index = 0; index < 30; index++) {
        await site.ask(false);
        runtime.shift(60_000);
      }
      upstream?.script({ do: 'answer' });
      const got = await site.ask(false);
      check(got.status === 200, `status ${got.status}, not 200`);
    });
  },
};

/** A wait that a provider asks for holds for everybody. */
export const coolDown: Scenario = {
  title:
    "one request gets 429 with `retry-after: 20`: nobody's requests go there for 20 seconds, and then they do",
  async run() {
    const runtime = createShiftedRuntime();
    return onStage({ runtime, targets: 2 }, async ({ site, upstreams, check }) => {
      const [first, second] = upstreams;
      first?.script({ do: 'status', status: 429, headers: { 'retry-after': '20' } }, { do: 'answer' });
      await site.ask(false);
      const after = await Promise.all(Array.from({ length: 20 }, (_, index) => site.ask(index % 2 === 0)));
      check(
        after.every(({ status }) => status === 200),
        'not all were answered',
      );
      check(
        first?.seen.length === 1,
        `${first?.seen.length} requests reached the target that had asked to wait`,
      );
      check(second?.seen.length === 21, `${second?.seen.length} requests reached the other one, not 21`);
      // with room for what a busy machine takes for all of this
      runtime.shift(10_000);
      await site.ask(false);
      check(first?.seen.length === 1, 'it was asked before its time');
      runtime.shift(11_000);
      await site.ask(false);
      check(first?.seen.length === 2, 'it was not asked after its time');
    });
  },
};

const minuteMs = 60_000;
const toDate = (inMs: number) => new Date(Date.now() + inMs).toUTCString();

/** Forms of `retry-after`, and whether they ask for a wait. */
const forms = (): readonly (readonly [headers: Readonly<Record<string, string>>, waits: boolean])[] => [
  [{ 'retry-after': '5' }, true],
  [{ 'retry-after': '1.5' }, true],
  [{ 'retry-after-ms': '1500' }, true],
  [{ 'retry-after': toDate(minuteMs) }, true],
  [{ 'retry-after': toDate(-minuteMs) }, false],
  [{ 'retry-after': '-5' }, false],
  [{ 'retry-after': 'abc' }, false],
  [{ 'retry-after': '' }, false],
];

/** Every form that `retry-after` has been seen in. */
export const retryAfterForms: Scenario = {
  title:
    'seconds, fractions, milliseconds, dates, the past, nonsense and 3,000 years: each is a wait or is ignored, and none causes a busy loop',
  async run() {
    const findings: string[] = [];
    for (const [headers, waits] of forms()) {
      const what = JSON.stringify(headers);
      const result = await onStage({ targets: 2 }, async ({ site, upstreams, check }) => {
        const [first] = upstreams;
        first?.script({ do: 'status', status: 429, headers }, { do: 'answer' });
        check((await site.ask(false)).status === 200, `${what}: the other target did not answer`);
        check((await site.ask(false)).status === 200, `${what}: the next request was not answered`);
        const asked = first?.seen.length ?? 0;
        check(asked === (waits ? 1 : 2), `${what}: ${asked} requests reached the target`);
      });
      findings.push(...result.findings);
    }
    for (const value of ['99999999999', '86400', toDate(3_000 * 365 * 1_440 * minuteMs)]) {
      const result = await onStage({}, async ({ site, upstreams, check }) => {
        upstreams[0]?.script({ do: 'status', status: 429, headers: { 'retry-after': value } });
        const got = await site.ask(false);
        const wait = Number(got.headers['retry-after']);
        check(got.status === 429, `${value}: status ${got.status}, not 429`);
        check(
          wait >= 1 && wait <= 60,
          `${value}: the caller is told to wait ${got.headers['retry-after']} s`,
        );
        check((upstreams[0]?.seen.length ?? 0) <= 3, `${value}: asked ${upstreams[0]?.seen.length} times`);
        check(got.totalMs < 2_000, `${value}: it took ${got.totalMs.toFixed(0)} ms`);
      });
      findings.push(...result.findings);
    }
    return { findings };
  },
};
