import { answer, healthy, servedBySecond } from './expectations.ts';
import type { FaultCase, FaultRow } from './row.ts';

const invalid = { what: 'error', status: 502, code: 'upstream_invalid_response' } as const;
const failed = { what: 'error', status: 502, code: 'upstream_error' } as const;

const brokenHeads = {
  'a length and chunks':
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  'two lengths':
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{"a":1}',
  'a switch of protocols': 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
  'no status': 'HTTP/1.1 2x0 What\r\n\r\n',
} as const;

/** Replies that no provider means. */
export const replyRows: readonly FaultRow[] = [
  {
    id: '9',
    title: 'A reply that is not streamed arrives a byte at a time',
    note: 'Where `timeouts.totalMs` is set, or the caller gives a time, the whole request ends then. By default there is neither.',
    cases: [
      {
        name: '',
        faults: [{ do: 'slow', bytes: 1, everyMs: 50 }],
        second: healthy,
        mode: 'whole',
        policy: { totalMs: 400 },
        isHeavy: true,
        expect: {
          caller: { what: 'error', status: 504, code: 'upstream_timeout' },
          first: 1,
          second: 0,
          attempts: 1,
          charged: 'input',
          withinMs: 2_000,
        },
      },
    ],
  },
  {
    id: '14',
    title: 'A JSON reply is cut off but claims to be whole',
    cases: [
      {
        name: 'with another target',
        faults: [{ do: 'cut', how: 'clean', after: 0 }],
        second: healthy,
        mode: 'whole',
        expect: servedBySecond('invalid-reply'),
      },
      {
        name: 'with no other target',
        faults: [{ do: 'cut', how: 'clean', after: 0 }],
        mode: 'whole',
        expect: { caller: invalid, first: [1, 2], failures: ['invalid-reply'], charged: 'input' },
      },
      {
        name: 'by a reset, with another target',
        faults: [{ do: 'cut', how: 'reset', after: 0 }],
        second: healthy,
        mode: 'whole',
        expect: servedBySecond(),
      },
    ],
  },
  {
    id: '21',
    title: 'A reply is compressed, although nobody asked: perhaps a bomb',
    note: 'The gateway asks for `identity` and never decompresses.',
    cases: [
      {
        name: 'gzip of 16 MB, with another target',
        faults: [{ do: 'encoded', encoding: 'gzip', inflatedBytes: 16_000_000 }],
        second: healthy,
        mode: 'both',
        expect: servedBySecond('invalid-reply'),
      },
      {
        name: 'brotli, with no other target',
        faults: [{ do: 'encoded', encoding: 'br', inflatedBytes: 1_000_000 }],
        mode: 'both',
        expect: { caller: invalid, first: [1, 2], failures: ['invalid-reply'], charged: 'input' },
      },
      {
        name: 'compressed a thousand times, with no other target',
        faults: [{ do: 'encoded', encoding: 'gzip', layers: 1_000 }],
        mode: 'both',
        expect: { caller: invalid, first: [1, 2], failures: ['invalid-reply'], charged: 'input' },
      },
    ],
  },
  {
    id: '22',
    title: 'A JSON reply of 500 MB',
    note: 'At most `relay.maxReplyBytes` (64 MiB) is accepted. A reply that announces more is not started. Usage that was reported before the end is counted, since the provider will count it, too.',
    cases: [
      {
        name: 'that announces its length',
        faults: [{ do: 'huge-json', bytes: 500_000_000, length: 'told' }],
        mode: 'whole',
        isHeavy: true,
        expect: {
          caller: invalid,
          first: [1, 2],
          failures: ['invalid-reply'],
          charged: 'input',
          withinMs: 5_000,
        },
      },
      {
        name: 'that does not announce its length',
        faults: [{ do: 'huge-json', bytes: 500_000_000, length: 'untold' }],
        mode: 'whole',
        isHeavy: true,
        expect: {
          caller: { what: 'broken connection', code: 'upstream_invalid_response' },
          first: 1,
          charged: 'actual',
          withinMs: 20_000,
        },
      },
    ],
  },
  {
    id: '28',
    title: 'The provider fails without an error message of its own',
    note: 'What a proxy in front of the provider says is never shown.',
    cases: [
      ...[
        { name: '500 with HTML', fault: { do: 'status', status: 500, body: 'html' } as const },
        { name: '502 with an empty body', fault: { do: 'status', status: 502, body: 'empty' } as const },
        { name: '418', fault: { do: 'status', status: 418, body: 'html' } as const },
      ].map(({ name, fault }) => ({
        name: `${name}, with no other target`,
        faults: [fault],
        mode: 'both' as const,
        expect: {
          caller: failed,
          first: [1, 3] as const,
          charged: 'nothing' as const,
        },
      })),
      {
        name: '200 with HTML, with no other target',
        faults: [{ do: 'status', status: 200, body: 'html' }],
        mode: 'both',
        expect: { caller: invalid, first: [1, 2], failures: ['invalid-reply'], charged: 'nothing' },
      },
      {
        name: '500, with another target',
        faults: [{ do: 'status', status: 500 }],
        second: healthy,
        mode: 'both',
        expect: servedBySecond('server-error'),
      },
      {
        name: '200 with HTML, with another target',
        faults: [{ do: 'status', status: 200, body: 'html' }],
        second: healthy,
        mode: 'both',
        expect: servedBySecond('invalid-reply'),
      },
    ],
  },
  {
    id: '29',
    title: 'The provider redirects, perhaps to an internal address',
    note: 'No redirect is ever followed.',
    cases: [],
    scenarios: ['redirects'],
  },
  {
    id: '30',
    title: "A provider's name suddenly resolves to an internal address",
    cases: [],
    scenarios: ['rebinding'],
  },
  {
    id: '31',
    title: 'The head of a reply is not valid',
    cases: [
      ...Object.entries(brokenHeads).flatMap(([name, text]): FaultCase[] => [
        {
          name: `${name}, with another target`,
          faults: [{ do: 'raw', text }],
          second: healthy,
          mode: 'both',
          expect: servedBySecond('invalid-reply'),
        },
        {
          name: `${name}, with no other target`,
          faults: [{ do: 'raw', text }],
          mode: 'both',
          expect: { caller: invalid, first: [1, 2], failures: ['invalid-reply'], charged: 'nothing' },
        },
      ]),
      {
        name: '20 KB of header fields, with another target',
        faults: [{ do: 'huge-head', bytes: 20_000 }],
        second: healthy,
        mode: 'both',
        expect: servedBySecond('invalid-reply'),
      },
      {
        name: 'ten informational replies before it',
        faults: [{ do: 'informational', count: 10 }],
        second: healthy,
        mode: 'both',
        expect: { caller: answer, first: 1, second: 0, charged: 'actual' },
      },
    ],
    scenarios: ['informational-flood'],
  },
  {
    id: '32',
    title: 'A reply that nobody asked for arrives on an idle connection',
    note: 'The connection is destroyed, and the next request gets its own.',
    cases: [],
    scenarios: ['poison'],
  },
  {
    id: '33',
    title: 'The usage that a provider reports is impossible',
    note: 'The answer is delivered. Usage that cannot be a token count is replaced by an estimate; usage above what was held is counted in full.',
    cases: [
      ...(['missing', 'negative', 'text', 'huge'] as const).map((how) => ({
        name: { missing: 'missing', negative: 'negative', text: 'a string', huge: '1e308' }[how],
        faults: [{ do: 'usage', how }] as const,
        mode: 'both' as const,
        expect: { caller: answer, first: 1, charged: 'estimate' as const },
      })),
    ],
    scenarios: ['overrun'],
  },
];
