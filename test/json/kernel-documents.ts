import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { space, string } from './documents.ts';

// Documents in which the kernel and the scripts could differ: strings whose ends lie around sixteen bytes and around those that
// make a string a long one, names that mean something, and names that nearly do.

const piece = fc.constantFrom(
  ...['a', 'word ', 'Word', 'ABC', 'ABCdef ', '7', '1234 ', ' ', '  x', '-', '--', '(x);', '{', '\\"'],
  ...[
    '\\n',
    '\\n\\n\\t',
    '\\r',
    '\\\\',
    '\\\\\\"',
    '\\/',
    '\\b',
    '\\u0041',
    '\\u00E9x',
    '\\ud83d\\ude00',
    '\\\\u0000',
  ],
  ...['é', '字', '東京の', '😀', '\u007f', '\u2028'],
);
const count = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 5 }) },
  { weight: 2, arbitrary: fc.integer({ min: 10, max: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 2_030, max: 2_060 }) },
  { weight: 1, arbitrary: fc.integer({ min: 200, max: 3_000 }) },
);
const text = fc.oneof(
  string,
  fc
    .array(fc.tuple(piece, count), { maxLength: 4 })
    .map((parts) => `"${parts.map(([unit, times]) => unit.repeat(times)).join('')}"`),
  fc.constantFrom(
    '"1h"',
    '"5m"',
    '"ephemeral"',
    '"data:image/png;base64,AAAA"',
    '"https://a.b/c.png"',
    '"ttl"',
  ),
);

const names = [
  ...[
    'role',
    'content',
    'model',
    'x',
    '',
    'é',
    'sixteen bytes ok',
    'seventeen bytes !',
    'q'.repeat(64),
    'q'.repeat(65),
  ],
  ...[
    'cache_control',
    'cache_contr0l',
    'ttl',
    'tt1',
    'input',
    'args',
    'arguments',
    'parameters',
    'input_schema',
  ],
  ...['json_schema', 'json_schemX', 'Xson_schema', 'schema', 'response', 'responsf', 'inputs'],
  ...[
    'constructor',
    'constructed',
    'prototypf',
    'prototype',
    '__proto_',
    'file',
    'datum',
    'uri',
    'image_uri',
  ],
];
const mediaNames = ['url', 'data', 'file_id', 'fileUri', 'file_uri', 'image_url', 'file_data'];
const name = fc
  .oneof(
    { weight: 30, arbitrary: fc.constantFrom(...names) },
    { weight: 3, arbitrary: fc.constantFrom(...mediaNames) },
    { weight: 10, arbitrary: fc.string({ unit: fc.constantFrom(...'abcdefgh_0'), maxLength: 20 }) },
  )
  .map((plain) => JSON.stringify(plain));

const scalar = fc.oneof(
  { weight: 8, arbitrary: text },
  { weight: 1, arbitrary: fc.constantFrom('{"cache_control":{"ttl":"1h"}}', '{"ttl":"1h"}') },
  fc.constantFrom(
    'true',
    'false',
    'null',
    '0',
    '-0',
    '12',
    '1.5',
    '-1.25e+3',
    '1E-2',
    '12345678901234567890',
    '0.1e5',
  ),
);

const { object } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, scalar, scalar, tie('object'), tie('array')),
  array: fc
    .tuple(space, fc.array(fc.tuple(space, tie('value'), space), { maxLength: 4 }))
    .map(
      ([empty, items]) => `[${items.length === 0 ? empty : items.map((item) => item.join('')).join(',')}]`,
    ),
  object: fc
    .tuple(space, fc.array(fc.tuple(space, name, space, space, tie('value'), space), { maxLength: 7 }))
    .map(([empty, members]) => {
      // no name twice: most documents should be ones that are let through
      const kept = [...new Map(members.map((member) => [member[1], member])).values()];
      if (kept.length === 0) return `{${empty}}`;
      return `{${kept.map(([a, key, b, c, value, d]) => `${a}${key}${b}:${c}${value}${d}`).join(',')}}`;
    }),
}));

const deep = fc
  .tuple(fc.integer({ min: 1, max: 300 }), fc.constantFrom('[', '{"a":'))
  .map(([levels, open]) => `{"a":${open.repeat(levels)}1${(open === '[' ? ']' : '}').repeat(levels)}}`);

const wide = fc
  .tuple(fc.integer({ min: 60, max: 70 }), scalar)
  .map(([keys, value]) => `{${Array.from({ length: keys }, (_, key) => `"k${key}":${value}`).join(',')}}`);

/** Texts of documents that are JSON objects, though not all of them are let through. */
export const kernelDocument = fc
  .tuple(
    space,
    fc.oneof(
      { weight: 20, arbitrary: object },
      { weight: 1, arbitrary: deep },
      { weight: 1, arbitrary: wide },
    ),
    space,
  )
  .map((parts) => parts.join(''));

/** The same bytes somewhere in a larger buffer, which is full of quotes. */
export function within(body: Uint8Array, offset: number): Uint8Array {
  const around = Buffer.alloc(body.length + offset + 20, '"');
  around.set(body, offset);
  return around.subarray(offset, offset + body.length);
}
