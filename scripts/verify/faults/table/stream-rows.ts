import type { GatewayErrorCode } from '../../../../src/errors.ts';
import { answer, answerOfSecond, healthy, servedBySecond } from './expectations.ts';
import type { FaultCase, FaultRow } from './row.ts';

const rescued = { what: 'rescued answer' } as const;
const incomplete = ['stream_incomplete', 'upstream_unreachable'] as const;
const restart = { rescue: ['restart'] } as const;
const none = { rescue: [] } as const;

/** OpenAI's responses have no word for it in a stream. */
const saysOverload = ['openai-chat', 'anthropic-messages', 'gemini'];

/** A stream that breaks after content, by what the route says of it. */
function toBreaks(
  faults: FaultCase['faults'],
  codes: readonly GatewayErrorCode[],
  policy: FaultCase['policy'] = {},
  more: Partial<FaultCase> = {},
): readonly FaultCase[] {
  const broken = { caller: { what: 'stream error', codes }, first: 1, second: 0, attempts: 1 } as const;
  return [
    {
      name: 'after content, with no rescue',
      faults,
      second: healthy,
      mode: 'stream',
      policy: { ...policy, ...none },
      ...more,
      expect: { ...broken, charged: 'delivered' },
    },
    {
      name: 'after content, with `rescue: ["restart"]`',
      faults,
      second: healthy,
      mode: 'stream',
      policy: { ...policy, ...restart },
      ...more,
      expect: { caller: rescued, first: 1, second: 1, charged: 'both' },
    },
    {
      name: 'after content, with `rescue: ["continue"]` and a target that `continues`',
      faults,
      second: healthy,
      mode: 'stream',
      policy: { ...policy, rescue: ['continue'] },
      ...more,
      expect: { caller: rescued, first: 1, second: 1, charged: 'both' },
    },
  ];
}

/** What happens to streams behind a status of 200. */
export const streamRows: readonly FaultRow[] = [
  {
    id: '10',
    title: 'A stream goes silent',
    note: 'Given up after `idleTimeoutMs` (120 s) without a byte.',
    cases: [
      ...toBreaks([{ do: 'stall', after: 3 }], ['upstream_timeout'], { idleMs: 300 }, { isHeavy: true }),
      {
        name: 'before any content',
        faults: [{ do: 'stall', after: 0 }],
        second: healthy,
        mode: 'stream',
        policy: { idleMs: 300 },
        isHeavy: true,
        expect: servedBySecond('timeout'),
      },
      {
        name: 'before any content, for longer than `firstTokenMs`',
        faults: [{ do: 'stall', after: 0 }],
        second: healthy,
        mode: 'stream',
        policy: { firstTokenMs: 100 },
        expect: {
          caller: answerOfSecond,
          first: 1,
          second: 1,
          failures: ['timeout'],
          charged: 'actual',
          withinMs: 1_000,
        },
      },
      {
        name: 'before any content, with no other target',
        faults: [{ do: 'stall', after: 0 }],
        mode: 'stream',
        policy: { firstTokenMs: 100 },
        expect: {
          caller: { what: 'error', status: 504, code: 'upstream_timeout' },
          first: [1, 3],
          charged: 'input',
        },
      },
    ],
  },
  {
    id: '11',
    title: 'A stream is reset',
    cases: [
      ...toBreaks([{ do: 'cut', how: 'reset', after: 3 }], incomplete),
      {
        name: 'before any content',
        faults: [{ do: 'cut', how: 'reset', after: 0 }],
        second: healthy,
        mode: 'stream',
        expect: servedBySecond('broken-stream'),
      },
    ],
  },
  {
    id: '12',
    title: 'The connection ends in the middle of a chunk',
    cases: [
      ...toBreaks([{ do: 'cut', how: 'fin-in-chunk', after: 3 }], incomplete),
      {
        name: 'before any content',
        faults: [{ do: 'cut', how: 'fin-in-chunk', after: 0 }],
        second: healthy,
        mode: 'stream',
        expect: servedBySecond('broken-stream'),
      },
    ],
  },
  {
    id: '13',
    title: 'A stream ends cleanly, but without the terminator of its protocol',
    note: 'The most dangerous case: only the missing terminator tells it from a whole answer.',
    cases: [
      ...toBreaks([{ do: 'cut', how: 'clean', after: 3 }], ['stream_incomplete']),
      {
        name: 'by closing the connection',
        faults: [{ do: 'cut', how: 'close', after: 3 }],
        mode: 'stream',
        policy: none,
        expect: {
          caller: { what: 'stream error', codes: ['stream_incomplete'] },
          first: 1,
          attempts: 1,
          charged: 'delivered',
        },
      },
      {
        name: 'empty, with another target',
        faults: [{ do: 'cut', how: 'clean', after: 0 }],
        second: healthy,
        mode: 'stream',
        expect: servedBySecond('broken-stream'),
      },
      {
        name: 'after content, where the route wants whole answers (`commit: "complete"`)',
        faults: [{ do: 'cut', how: 'clean', after: 3 }],
        second: healthy,
        mode: 'stream',
        policy: { commit: 'complete' },
        expect: servedBySecond('broken-stream'),
      },
    ],
  },
  {
    id: '15',
    title: 'The provider reports an error in the stream before any content',
    note: 'The reply is held until its first content, so the caller sees nothing of it.',
    cases: [
      {
        name: 'with another target',
        faults: [{ do: 'error-event', after: 0 }],
        second: healthy,
        mode: 'stream',
        expect: servedBySecond(),
      },
      {
        name: 'once, as an overload, with no other target',
        faults: [{ do: 'error-event', after: 0 }, { do: 'answer' }],
        dialects: saysOverload,
        mode: 'stream',
        expect: { caller: answer, first: 2, charged: 'actual' },
      },
      {
        name: 'always, as an overload, with no other target',
        faults: [{ do: 'error-event', after: 0 }],
        dialects: saysOverload,
        mode: 'stream',
        expect: {
          caller: { what: 'error', status: 503, code: 'upstream_overloaded' },
          first: [2, 3],
          charged: 'nothing',
        },
      },
      {
        name: 'not as an overload, with no other target',
        faults: [{ do: 'error-event', after: 0 }],
        dialects: ['openai-responses'],
        mode: 'stream',
        expect: {
          caller: { what: 'error', status: 502, code: 'upstream_error' },
          first: 1,
          charged: 'input',
        },
      },
    ],
  },
  {
    id: '16',
    title: 'The provider reports an error in the stream after content',
    cases: [...toBreaks([{ do: 'error-event', after: 3 }], ['upstream_error', 'upstream_overloaded'])],
  },
  {
    id: '17',
    title: 'A chunk does not follow the protocol',
    cases: [
      {
        name: 'after content',
        faults: [{ do: 'malformed', after: 3 }],
        mode: 'stream',
        policy: none,
        expect: {
          caller: { what: 'stream error', codes: ['upstream_invalid_response'] },
          first: 1,
          attempts: 1,
          charged: 'delivered',
        },
      },
      {
        name: 'before any content, with another target',
        faults: [{ do: 'malformed', after: 0 }],
        second: healthy,
        mode: 'stream',
        expect: servedBySecond('invalid-reply'),
      },
      {
        name: 'where the route says to skip it (`onMalformedChunk: "skip"`)',
        faults: [{ do: 'malformed', after: 3 }],
        mode: 'stream',
        policy: { onMalformedChunk: 'skip' },
        expect: { caller: answer, first: 1, charged: 'actual' },
      },
    ],
  },
  {
    id: '18',
    title: 'A line of a stream never ends',
    note: 'It is cut off at `relay.maxEventBytes` (16 MiB), however long it would get.',
    cases: [20_000_000, 100_000_000].map((bytes) => ({
      name: `after ${bytes / 1_000_000} MB`,
      faults: [{ do: 'giant-line', bytes, after: 3 }] as const,
      mode: 'stream',
      policy: none,
      isHeavy: bytes > 20_000_000,
      expect: {
        caller: { what: 'stream error', codes: ['upstream_invalid_response'] },
        first: 1,
        attempts: 1,
        charged: 'delivered',
        withinMs: 5_000,
      },
    })),
  },
  {
    id: '19',
    title: 'A stream has millions of short lines, and an event never ends',
    note: 'Bounded by the same setting.',
    cases: [3_000_000, 10_000_000].map((count) => ({
      name: `after ${count / 1_000_000} million lines`,
      faults: [{ do: 'tiny-lines', count, after: 3 }] as const,
      mode: 'stream',
      policy: none,
      isHeavy: count > 3_000_000,
      expect: {
        caller: { what: 'stream error', codes: ['upstream_invalid_response'] },
        first: 1,
        attempts: 1,
        charged: 'delivered',
        withinMs: 10_000,
      },
    })),
  },
  {
    id: '20',
    title: 'A stream is in an unusual format, but valid',
    note: 'Relayed byte for byte.',
    cases: [
      ...(['crlf', 'cr', 'mixed', 'comments', 'bom', 'many-data-lines', 'unknown-events'] as const).map(
        (how) => ({
          name: {
            crlf: 'lines end in CRLF',
            cr: 'lines end in CR',
            mixed: 'lines end in CR, LF and CRLF in turn',
            comments: 'comments between events',
            bom: 'a byte order mark before the first event',
            'many-data-lines': 'payloads split over several lines',
            'unknown-events': 'event types that nobody knows yet',
          }[how],
          faults: [{ do: 'odd-format', how }] as const,
          mode: 'stream' as const,
          expect: { caller: answer, first: 1, charged: 'actual' as const },
        }),
      ),
      {
        name: 'every byte arrives alone, so characters are cut in two',
        faults: [{ do: 'split' }],
        mode: 'stream',
        expect: { caller: answer, first: 1, charged: 'actual' },
      },
    ],
  },
];
