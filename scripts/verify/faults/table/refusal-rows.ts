import { answer, answerOfSecond, healthy, servedBySecond } from './expectations.ts';
import type { FaultRow } from './row.ts';

const limited = { what: 'error', status: 429, code: 'rate_limited' } as const;
const overloaded = { what: 'error', status: 503, code: 'upstream_overloaded' } as const;

/** The provider says no, and what that means for its health. */
export const refusalRows: readonly FaultRow[] = [
  {
    id: '23',
    title: 'The provider limits the rate (429) but does not say for how long',
    note: 'This does not count against its health: its breaker stays closed, and fewer requests are sent to it at once.',
    cases: [
      {
        name: 'with another target',
        faults: [{ do: 'status', status: 429 }],
        second: healthy,
        mode: 'both',
        expect: servedBySecond('refused'),
      },
      {
        name: 'once, with no other target',
        faults: [{ do: 'status', status: 429 }, { do: 'answer' }],
        mode: 'both',
        expect: { caller: answer, first: 2, failures: ['refused'], charged: 'actual' },
      },
      {
        name: 'always, with no other target',
        faults: [{ do: 'status', status: 429 }],
        mode: 'both',
        expect: {
          caller: { ...limited, wait: true },
          first: [2, 3],
          failures: ['refused'],
          charged: 'nothing',
        },
      },
    ],
    scenarios: ['rate-limit-health'],
  },
  {
    id: '24',
    title: 'The provider limits the rate and says for how long (`retry-after`)',
    note: "Until then, nobody's requests go to the target.",
    cases: [],
    scenarios: ['cool-down'],
  },
  {
    id: '25',
    title: '`retry-after` is a date, in the past, negative, nonsense, or years away',
    note: 'A value that is not a wait is ignored; a wait that is longer than the request may take is reported to the caller at once.',
    cases: [],
    scenarios: ['retry-after-forms'],
  },
  {
    id: '26',
    title: "The provider's account has no money left",
    note: 'The credential is left alone for a while, whoever asks; no client library is told to retry. Gemini reports a used-up minute and a used-up day in the same words, but names the quota: a daily or monthly one counts as no money.',
    cases: [
      {
        name: 'with another target',
        faults: [{ do: 'status', status: 429, body: 'no-money' }],
        second: healthy,
        mode: 'both',
        expect: servedBySecond('quota'),
      },
      {
        name: 'with no other target',
        faults: [{ do: 'status', status: 429, body: 'no-money' }],
        mode: 'both',
        expect: {
          caller: { what: 'error', status: 502, code: 'upstream_error', retryable: false },
          first: 1,
          failures: ['quota'],
          charged: 'nothing',
        },
      },
    ],
    scenarios: ['no-money'],
  },
  {
    id: '27',
    title: 'The provider is overloaded (503, 529)',
    cases: [
      ...[503, 529].map((status) => ({
        name: `${status}, with another target`,
        faults: [{ do: 'status', status }] as const,
        second: healthy,
        mode: 'both' as const,
        expect: servedBySecond('overloaded'),
      })),
      {
        name: 'always, with no other target',
        faults: [{ do: 'status', status: 529 }],
        mode: 'both',
        expect: { caller: overloaded, first: [2, 3], failures: ['overloaded'], charged: 'nothing' },
      },
    ],
  },
  {
    id: '34',
    title: "The provider refuses the gateway's credential (401, 403)",
    note: "The caller never gets a 401 for this: the caller's key is good.",
    cases: [
      ...[401, 403].map((status) => ({
        name: `${status}, with another target`,
        faults: [{ do: 'status', status }] as const,
        second: healthy,
        mode: 'both' as const,
        expect: servedBySecond('credential'),
      })),
      {
        name: 'with no other target',
        faults: [{ do: 'status', status: 401 }],
        mode: 'both',
        expect: {
          caller: { what: 'error', status: 502, code: 'upstream_rejected_credential', retryable: false },
          first: 1,
          failures: ['credential'],
          charged: 'nothing',
        },
      },
    ],
    scenarios: ['next-credential'],
  },
  {
    id: '35',
    title: 'Every target is down, and the breakers are open',
    note: 'The request is refused at once, with a time to come back; where one of them is probed within `retry.maxBackoffMs` (5 s), it waits for the outcome.',
    cases: [],
    scenarios: ['all-down'],
  },
  {
    id: '36',
    title: 'A thousand requests wait for a target to come back',
    note: 'One of them probes it, up to `maxQueued` (100) wait for the outcome, and the others are told to come back.',
    cases: [],
    scenarios: ['half-open-herd'],
  },
  {
    id: '37',
    title: 'Half of the replies fail',
    note: 'Retries over all targets together are at most a fifth of the requests, plus three.',
    cases: [],
    scenarios: ['flapping'],
  },
  {
    id: 'A',
    title: 'The request itself is wrong (400)',
    note: 'It would be wrong anywhere, so nobody else is asked, and the provider tells the caller why.',
    cases: [
      {
        name: '',
        faults: [{ do: 'status', status: 400 }],
        second: healthy,
        mode: 'both',
        expect: { caller: { what: 'refusal', status: 400 }, first: 1, second: 0, charged: 'nothing' },
      },
    ],
  },
  {
    id: 'B',
    title: "The request is longer than the target's context window",
    note: 'It goes to a target with a larger window, if the plan has one.',
    cases: [
      {
        name: 'with no other target',
        faults: [{ do: 'status', status: 400, body: 'too-long' }],
        mode: 'both',
        expect: { caller: { what: 'refusal', status: 400 }, first: 1, charged: 'nothing' },
      },
    ],
    scenarios: ['larger-window'],
  },
  {
    id: 'C',
    title: 'The target is slow, and a second attempt starts alongside the first (`hedgeAfterMs`)',
    note: 'The faster one answers; the other is ended. What the other may have cost is counted, too: its input, and whatever usage it had reported.',
    cases: [
      {
        name: 'the second one is faster',
        faults: [{ do: 'stall', after: 0 }],
        second: healthy,
        mode: 'both',
        policy: { hedgeAfterMs: 50 },
        expect: { caller: answerOfSecond, first: 1, second: 1, charged: 'both', withinMs: 1_000 },
      },
      {
        name: 'the first one is faster after all',
        faults: [{ do: 'delay', ms: 100 }],
        second: [{ do: 'stall', after: 0 }],
        mode: 'both',
        policy: { hedgeAfterMs: 20 },
        expect: { caller: answer, first: 1, second: 1, charged: 'both', withinMs: 1_000 },
      },
      {
        name: 'the first one never connects',
        place: 'refused',
        faults: [],
        second: healthy,
        mode: 'both',
        policy: { hedgeAfterMs: 50 },
        expect: { caller: answerOfSecond, first: 0, second: 1, attempts: 2, charged: 'actual' },
      },
    ],
  },
];
