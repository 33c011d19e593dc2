import { answer, answerOfSecond, healthy, servedBySecond } from './expectations.ts';
import type { FaultRow } from './row.ts';

const unreachable = { what: 'error', status: 502, code: 'upstream_unreachable' } as const;
const untrusted = { what: 'error', status: 502, code: 'upstream_tls' } as const;
const late = { what: 'error', status: 504, code: 'upstream_timeout' } as const;

/** No connection, and connections that end before a status came. */
export const connectionRows: readonly FaultRow[] = [
  {
    id: '1',
    title: 'Nothing listens at the target: the connection is refused',
    note: 'Nothing was sent, so trying again is safe.',
    cases: [
      {
        name: 'with another target',
        place: 'refused',
        faults: [],
        second: healthy,
        mode: 'both',
        expect: {
          caller: answerOfSecond,
          first: 0,
          second: 1,
          attempts: 2,
          failures: ['not-sent'],
          charged: 'actual',
          withinMs: 500,
        },
      },
      {
        name: 'with no other target',
        place: 'refused',
        faults: [],
        mode: 'both',
        expect: {
          caller: { ...unreachable, retryable: false },
          first: 0,
          attempts: [2, 3],
          failures: ['not-sent'],
          charged: 'nothing',
          withinMs: 1_000,
        },
      },
    ],
  },
  {
    id: '2',
    title: 'The target does not answer the connection attempt',
    note: 'Given up after `connectTimeoutMs` (3 s).',
    cases: [],
    scenarios: ['blackhole'],
  },
  {
    id: '3',
    title: "The target's name cannot be resolved, or not in time",
    note: 'Resolving is part of connecting and shares its timeout.',
    cases: [],
    scenarios: ['dns'],
  },
  {
    id: '4',
    title: 'The target cannot be trusted',
    note: 'It is never asked twice, and nothing is sent to it.',
    cases: (['tls-expired', 'tls-wrong-host', 'tls-self-signed', 'tls-plain'] as const).flatMap((place) => {
      const name = {
        'tls-expired': 'its certificate has expired',
        'tls-wrong-host': 'its certificate is for another host',
        'tls-self-signed': 'its certificate is signed by no known authority',
        'tls-plain': 'it does not speak TLS',
      }[place];
      return [
        {
          name: `${name}, with another target`,
          place,
          faults: healthy,
          second: healthy,
          mode: 'whole' as const,
          policy: { connectMs: 300 },
          expect: {
            caller: answerOfSecond,
            first: 0,
            second: 1,
            attempts: 2,
            failures: ['not-sent' as const],
            charged: 'actual' as const,
          },
        },
        {
          name: `${name}, with no other target`,
          place,
          faults: healthy,
          mode: 'whole' as const,
          policy: { connectMs: 300, maxAttempts: 3 },
          expect: {
            caller: untrusted,
            first: 0,
            attempts: 1,
            failures: ['not-sent' as const],
            charged: 'nothing' as const,
          },
        },
      ];
    }),
  },
  {
    id: '5',
    title: 'A kept-alive connection is closed as the next request is written to it',
    note: 'It had been idle for too long: the provider has not taken up the request, and is asked again on a new connection. A provider that closes a second later or more was at work.',
    cases: [
      ...(['fin', 'reset'] as const).map((how) => ({
        name: how === 'fin' ? '' : 'by a reset',
        faults: [{ do: 'hang-up', when: 'head', how }, { do: 'answer' }] as const,
        before: 1,
        mode: 'both' as const,
        expect: { caller: answer, first: 2, attempts: [1, 2] as const, charged: 'actual' as const },
      })),
      {
        name: 'after the provider had time to work on it',
        faults: [{ do: 'hang-up', when: 'request', how: 'fin', afterMs: 1_100 }],
        before: 1,
        second: healthy,
        mode: 'both',
        isHeavy: true,
        expect: { caller: unreachable, first: 1, second: 0, failures: ['uncertain'], charged: 'input' },
      },
    ],
  },
  {
    id: '6',
    title: 'A new connection is closed after the request has been written',
    note: 'Nobody can tell whether the provider is working on it. Asking again could mean paying twice, so that is left to the caller, unless you set `onFailure: { uncertain: "next-target" }`. The input is counted, since it may have been used.',
    cases: [
      {
        name: 'with another target',
        faults: [{ do: 'hang-up', when: 'request', how: 'fin' }],
        second: healthy,
        mode: 'both',
        expect: { caller: unreachable, first: 1, second: 0, failures: ['uncertain'], charged: 'input' },
      },
      {
        name: 'with another target, where the route says to go on',
        faults: [{ do: 'hang-up', when: 'request', how: 'fin' }],
        second: healthy,
        mode: 'both',
        policy: { onFailure: { uncertain: 'next-target' } },
        expect: servedBySecond('uncertain'),
      },
    ],
  },
  {
    id: '7',
    title: 'The connection is reset before a status arrives',
    note: 'As above.',
    cases: [
      {
        name: '',
        faults: [{ do: 'hang-up', when: 'request', how: 'reset' }],
        second: healthy,
        mode: 'both',
        expect: { caller: unreachable, first: 1, second: 0, failures: ['uncertain'], charged: 'input' },
      },
    ],
  },
  {
    id: '8',
    title: 'No status arrives',
    note: 'Given up after `headersTimeoutMs` (300 s: a model may think for a long time before it sends anything).',
    cases: [
      {
        name: 'with no other target',
        faults: [{ do: 'stall', after: -1 }],
        mode: 'both',
        policy: { headersMs: 300 },
        isHeavy: true,
        // the timers of undici are exact to half a second
        expect: { caller: late, first: 1, failures: ['uncertain'], charged: 'input', withinMs: 2_000 },
      },
    ],
  },
];
