import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SamplePlaces } from '../../src/limits/sample-places.ts';
import { countLongTextTokens, countTextTokens, leastBytes } from '../../src/limits/text-tokens.ts';

/** What a thirteenth of a text says of it, as a part of what all of it says. */
function shareOf(text: Uint8Array, id: string): number {
  return (
    countLongTextTokens(text, 0, text.length, new SamplePlaces(id)) / countTextTokens(text, 0, text.length)
  );
}

const ids = Array.from({ length: 300 }, (_, index) => `req_${(index * 0x9e3779b1) >>> 0}`);
const mean = (numbers: readonly number[]) => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

/** Costs as much as bytes can, and as little. */
const dense = Buffer.from('😀');
const light = 0x20;

/** A text that is light wherever the count for one id looks, and dense everywhere else. */
function builtAgainst(id: string, length: number): Uint8Array {
  const looked = new Uint8Array(length);
  const watched = new Proxy(new Uint8Array(length), {
    get(target, name) {
      if (typeof name === 'string' && /^\d+$/.test(name)) looked[Number(name)] = 1;
      return Reflect.get(target, name, target);
    },
  });
  countLongTextTokens(watched, 0, length, new SamplePlaces(id));
  const text = new Uint8Array(length).fill(light);
  for (let at = 0; at + dense.length <= length; at += dense.length) {
    if (!looked.subarray(at, at + dense.length).includes(1)) text.set(dense, at);
  }
  return text;
}

describe('the tokens of a long text, counted from a part of it', () => {
  it('are the same each time for one request, and not for another', () => {
    const text = Buffer.from('Some words, and 12 numbers (with signs);\n'.repeat(500));
    expect(shareOf(text, 'req_1')).toBe(shareOf(text, 'req_1'));
    expect(new Set(ids.map((id) => shareOf(text, id))).size).toBeGreaterThan(50);
  });

  it.each([2_049, 4_000, 20_000, 100_000])(
    'are on average those of all of it, of %i bytes whose beginning, middle and end differ',
    (length) => {
      const text = Buffer.alloc(length, 'plain words ');
      text.fill(dense, 0, 160);
      text.fill(dense, length - (length % 4) - 160, length - (length % 4));
      text.fill('1', length >> 1, (length >> 1) + 300);
      expect(Math.abs(mean(ids.map((id) => shareOf(text, id))) - 1)).toBeLessThan(0.06);
    },
  );

  it('are not fewer for other requests than the one that a text was built against', () => {
    const text = builtAgainst('req_known', 200_000);
    expect(shareOf(text, 'req_known')).toBeLessThan(0.3);
    const shares = ids.map((id) => shareOf(text, id));
    expect(mean(shares)).toBeGreaterThan(0.97);
    expect(Math.min(...shares)).toBeGreaterThan(0.85);
  });

  it('are never far fewer, whatever a text is made of: at most two fifths of 256 kB', () => {
    const part = fc.record({
      byte: fc.constantFrom(0x20, 0x61, 0x31, 0x2d, 0x41),
      light: fc.integer({ min: 1, max: 4_096 }),
      dense: fc.integer({ min: 1, max: 1_024 }),
    });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 30 }), fc.uuid(), (parts, id) => {
        const pieces = parts.flatMap(({ byte, light, dense: times }) => [
          Buffer.alloc(light, byte),
          Buffer.alloc(dense.length * times, dense),
        ]);
        const once = Buffer.concat(pieces);
        const text = Buffer.alloc(256_000, once);
        const share = shareOf(text, id);
        expect(share).toBeGreaterThan(0.6);
        expect(share).toBeLessThan(1.6);
      }),
      // what chance makes of a text is bounded by nothing: this is what it makes of these
      { numRuns: 300, seed: 1 },
    );
  });

  it('have one least number for the whole, and none for each part that is looked at', () => {
    // blanks are next to nothing beside the rest, which is worth more than the least number of all of it
    const text = Buffer.alloc(256_000, Buffer.concat([Buffer.alloc(1_000, light), Buffer.alloc(400, dense)]));
    expect(mean(ids.map((id) => shareOf(text, id)))).toBeCloseTo(1, 1);
    const blanks = Buffer.alloc(256_000, light);
    expect(countLongTextTokens(blanks, 0, blanks.length, new SamplePlaces('req_1'))).toBe(
      blanks.length / leastBytes,
    );
  });

  it('take places that are spread evenly', () => {
    const places = new SamplePlaces('');
    const tenths = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 10_000; draw++) tenths[Math.floor(places.next() * 10)]! += 1;
    expect(Math.min(...tenths)).toBeGreaterThan(850);
    expect(Math.max(...tenths)).toBeLessThan(1_150);
  });
});
