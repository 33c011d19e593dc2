import { describe, expect, it } from 'vitest';
import type { DialectName } from '../../src/dialects/dialect.ts';
import type { Usage } from '../../src/message.ts';
import { findingsOf, readFixture, readStream } from './read-stream.ts';

interface Case {
  readonly dialect: DialectName;
  readonly fixture: string;
  readonly usage: Usage;
  /** How many events at the end of the fixture the stream can lose and still be whole. */
  readonly spareEvents: number;
}

const cases: readonly Case[] = [
  {
    dialect: 'openai-chat',
    fixture: 'openai-chat',
    usage: {
      inputTokens: 1219,
      cachedInputTokens: 1024,
      outputTokens: 320,
      reasoningTokens: 64,
      source: 'reported',
    },
    spareEvents: 2,
  },
  {
    dialect: 'openai-chat',
    fixture: 'openai-chat-tools',
    usage: { inputTokens: 80, outputTokens: 40, source: 'reported' },
    spareEvents: 1,
  },
  {
    dialect: 'openai-completions',
    fixture: 'openai-completions',
    usage: { inputTokens: 5, outputTokens: 2, source: 'reported' },
    spareEvents: 2,
  },
  {
    dialect: 'openai-responses',
    fixture: 'openai-responses',
    usage: {
      inputTokens: 37,
      cachedInputTokens: 12,
      cacheWrite5mTokens: 15,
      cacheWrite1hTokens: 5,
      outputTokens: 11,
      reasoningTokens: 3,
      source: 'reported',
    },
    spareEvents: 0,
  },
  {
    dialect: 'openai',
    fixture: 'openai-transcription',
    usage: { inputTokens: 14, outputTokens: 45, source: 'reported' },
    spareEvents: 0,
  },
  {
    dialect: 'openai',
    fixture: 'openai-image',
    usage: { inputTokens: 50, outputTokens: 50, source: 'reported' },
    spareEvents: 0,
  },
  {
    dialect: 'anthropic-messages',
    fixture: 'anthropic-messages',
    usage: {
      inputTokens: 1325,
      cachedInputTokens: 1000,
      cacheWrite5mTokens: 200,
      cacheWrite1hTokens: 100,
      outputTokens: 89,
      reasoningTokens: 40,
      source: 'reported',
    },
    spareEvents: 0,
  },
  {
    dialect: 'gemini',
    fixture: 'gemini',
    usage: {
      inputTokens: 12,
      cachedInputTokens: 3,
      outputTokens: 44,
      reasoningTokens: 32,
      source: 'reported',
    },
    spareEvents: 0,
  },
];

describe.each(cases)('the $fixture stream', ({ dialect, fixture, usage, spareEvents }) => {
  const text = readFixture(fixture);
  const events = text.split(/(?<=\n\n)/).filter((event) => !event.startsWith(':'));

  it('is whole, has content, and reports its usage in our arithmetic', () => {
    const read = readStream(dialect, text);
    expect(findingsOf(read)).toEqual({
      whole: true,
      usage,
      error: undefined,
      hasContent: true,
      malformed: false,
    });
    expect(read.verdicts).not.toContain('drop');
  });

  it.each([1, 2, 3, 7, 64])('reads the same in pieces of %i bytes', (pieceBytes) => {
    const read = readStream(dialect, text, { dropUsage: false }, pieceBytes);
    expect(findingsOf(read)).toEqual(findingsOf(readStream(dialect, text)));
  });

  it.each(['\r\n', '\r'])('reads the same with %j as line end', (lineEnd) => {
    // a lone CR at the very end may be half a CRLF; what follows settles it, as the end of a body would
    const changed = `${text.replaceAll('\n', lineEnd)}:${lineEnd}`;
    expect(findingsOf(readStream(dialect, changed))).toEqual(findingsOf(readStream(dialect, text)));
  });

  it('is not whole when it ends anywhere before its terminator', () => {
    for (let count = 0; count < events.length; count++) {
      const read = readStream(dialect, events.slice(0, count).join(''));
      const isSpared = events.length - count <= spareEvents;
      expect([count, read.reader.whole]).toEqual([count, isSpared]);
      expect(read.reader.malformed).toBe(false);
    }
  });

  it('is relayed whole when the caller asked for usage itself, whatever else is in it', () => {
    const withNoise = events
      .map((event) => `: comment\n\nevent: unknown.kind\ndata: {"x":1}\n\n${event}`)
      .join('');
    const read = readStream(dialect, withNoise);
    expect(read.dropped).toEqual([]);
    expect(read.reader.whole).toBe(true);
    expect(read.reader.usage).toEqual(usage);
    expect(read.reader.error).toBeUndefined();
  });

  it('shows an event that was cut off as malformed', () => {
    const cut = events[0]!.trimEnd().slice(0, -5);
    expect(readStream(dialect, `${cut}\n\n`).reader.malformed).toBe(true);
  });
});
