import { describe, expect, it } from 'vitest';
import { parserFor, SharedParser } from '../../src/upstream/shared-parser.ts';

const listen = () => {
  const seen: string[] = [];
  return { seen, event: ({ data }: { data: string }) => void seen.push(data) };
};

describe('a parser that streams share', () => {
  it('tells each stream of its own events, in turn', () => {
    const parser = new SharedParser(1_000);
    const [one, other] = [listen(), listen()];
    for (const turn of [1, 2]) {
      expect(parser.feed(`data: one ${turn}\n\ndata: more ${turn}\n\n`, one)).toBe(true);
      expect(parser.feed(`data: other ${turn}\r\n\r\n`, other)).toBe(true);
    }
    expect(one.seen).toEqual(['one 1', 'more 1', 'one 2', 'more 2']);
    expect(other.seen).toEqual(['other 1', 'other 2']);
  });

  it('keeps nothing of a stream that left an event unfinished, or had one that was too large', () => {
    const parser = new SharedParser(100);
    const [broken, sound] = [listen(), listen()];
    expect(parser.feed(`data: ${'x'.repeat(200)}`, broken)).toBe(false);
    expect(parser.feed('data: a\n\n', sound)).toBe(true);
    expect(parser.feed('event: odd\ndata: half', broken)).toBe(true);
    expect(parser.feed('data: b\n\n', sound)).toBe(true);
    expect(sound.seen).toEqual(['a', 'b']);
    expect(broken.seen).toEqual([]);
  });

  it('is one for all that have the same bound', () => {
    expect(parserFor(500)).toBe(parserFor(500));
    expect(parserFor(600)).not.toBe(parserFor(500));
  });
});
