import { Buffer } from 'node:buffer';
import fc from 'fast-check';

// Documents for properties: what JSON may look like, and what becomes of it when bytes are changed.

export const space = fc.constantFrom('', '', '', ' ', '\n', '\t\r ');

export const string = fc
  .array(
    fc.oneof(
      fc.string({ maxLength: 12 }).map((text) => JSON.stringify(text).slice(1, -1)),
      fc.string({ unit: 'grapheme', maxLength: 2 }).map((text) => JSON.stringify(text).slice(1, -1)),
      fc.constantFrom(
        '\\n',
        '\\"',
        '\\\\',
        '\\/',
        '\\u0041',
        '\\ud83d\\ude00',
        'é',
        '😀',
        'plain text of some length',
      ),
    ),
    { maxLength: 5 },
  )
  .map((parts) => `"${parts.join('').replaceAll('\\u0000', '')}"`);

const number = fc.oneof(
  fc.constantFrom('0', '-0', '1', '10', '1.5', '-1e400', '1E+2', '9007199254740993', '0.1e-7'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
);

/** JSON text with every freedom the grammar has: white space, escapes, forms of numbers. */
export const { object } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('true', 'false', 'null'),
    number,
    string,
    tie('array'),
    tie('object'),
  ),
  array: fc
    .tuple(space, fc.array(fc.tuple(space, tie('value'), space), { maxLength: 3 }))
    .map(
      ([empty, items]) => `[${items.length === 0 ? empty : items.map((item) => item.join('')).join(',')}]`,
    ),
  object: fc
    .tuple(space, fc.array(fc.tuple(space, string, space, space, tie('value'), space), { maxLength: 6 }))
    .map(([empty, members]) => {
      const kept = new Map(members.map((member) => [JSON.parse(member[1]) as string, member]));
      for (const key of kept.keys()) if (key.includes('\\')) kept.delete(key);
      if (kept.size === 0) return `{${empty}}`;
      return `{${[...kept.values()].map(([a, key, b, c, value, d]) => `${a}${key}${b}:${c}${value}${d}`).join(',')}}`;
    }),
}));

/** Somewhere in a document, as a share of its length. */
export const place = fc.noBias(fc.integer({ min: 0, max: 9_999 })).map((number) => number / 10_000);

/** A few bytes changed, taken out or put in, most of them ones that mean something in JSON. */
export const mutation = fc.record({
  at: place,
  take: fc.integer({ min: 0, max: 2 }),
  put: fc.oneof(
    fc.constantFrom(
      '"',
      '\\',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '-',
      '.',
      '\\u',
      '\\ud800',
      '\\u0000',
      '\u0000',
      '\ufeff',
    ),
    fc.constantFrom('"__proto__":1,', '"constructor":{"prototype":1},', '"a":1,', '\\u0061', 'é'),
    fc.constantFrom('', '', ' ', '\n', '0', '1', '7', 'e', 'a', 'E+1'),
  ),
  byte: fc.option(fc.integer({ min: 0, max: 255 }), { freq: 1 }),
});

/** The bytes of a document with some of them changed. */
export function mutate(
  original: string,
  mutations: { at: number; take: number; put: string; byte: number | null }[],
): Buffer {
  let body: Buffer = Buffer.from(original);
  for (const { at, take, put, byte } of mutations) {
    const start = Math.floor(at * body.length);
    const middle = byte === null ? Buffer.from(put) : Buffer.from([byte]);
    body = Buffer.concat([body.subarray(0, start), middle, body.subarray(start + take)]);
  }
  return body;
}
