import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { forEachElement } from '../../src/json/elements.ts';
import { type JsonMember, scanJsonObject } from '../../src/json/scan.ts';

/** The elements of `{"list":…}` as they are found, parsed. */
function elementsOf(text: string): unknown[] {
  const body = new TextEncoder().encode(`{"list":${text}}`);
  const member = scanJsonObject(body).get('list') as JsonMember;
  const elements: unknown[] = [];
  forEachElement(body, member, (start, end) => {
    elements.push(JSON.parse(new TextDecoder().decode(body.subarray(start, end))));
    return true;
  });
  return elements;
}

describe('the elements of an array', () => {
  it('are found whatever is in them: long texts, quotes, backslashes, brackets', () => {
    const piece = fc.constantFrom(
      'a',
      '"',
      '\\',
      '\\"',
      ']',
      '}',
      ',',
      ' ',
      'é',
      '🦊',
      '\n',
      'word '.repeat(20),
    );
    const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));
    const value = fc.oneof(text, fc.jsonValue({ maxDepth: 3 }), fc.record({ content: text, role: text }));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 6 }), fc.boolean(), (values, isSpaced) => {
        const json = JSON.stringify(values, null, isSpaced ? 2 : undefined);
        expect(elementsOf(json)).toEqual(JSON.parse(json));
      }),
      { numRuns: 500 },
    );
  });

  it.each([0, 1, 2, 61, 62, 63, 64, 65, 66, 200])(
    'are told apart behind a text of %i letters that ends in backslashes',
    (length) => {
      for (let backslashes = 0; backslashes < 5; backslashes++) {
        const values = [
          `${'x'.repeat(length)}${'\\'.repeat(backslashes)}`,
          `${'\\"'.repeat(backslashes)},`,
          1,
        ];
        expect(elementsOf(JSON.stringify(values))).toEqual(values);
      }
    },
  );

  it('are looked at no further than is asked', () => {
    const body = new TextEncoder().encode('{"list":[1,2,3,4]}');
    const seen: number[] = [];
    forEachElement(body, scanJsonObject(body).get('list') as JsonMember, (start) => seen.push(start) < 2);
    expect(seen).toHaveLength(2);
  });

  it('are found at the same speed where a text is full of quotes', () => {
    const search = vi.spyOn(Buffer.prototype, 'indexOf');
    const values = ['"'.repeat(64_000), 1];
    expect(elementsOf(JSON.stringify(values))).toEqual(values);
    expect(search.mock.calls.length).toBeLessThan(3_000);
    search.mockRestore();
  });
});
