import { describe, expect, it } from 'vitest';
import type { Call } from '../../src/call.ts';
import { scanJsonObject } from '../../src/json/scan.ts';
import { countBodyTokens, countByScript } from '../../src/limits/body-tokens.ts';
import { choicesOf, estimateOutputTokens, estimateUsage } from '../../src/limits/estimate.ts';
import { countTextTokens } from '../../src/limits/text-tokens.ts';

const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));
const tokensOf = (value: unknown) => countBodyTokens(bytesOf(value)).inputTokens;
const textOf = (text: string) => {
  const bytes = bytesOf(text);
  return countTextTokens(bytes, 1, bytes.length - 1);
};
const base64 = (bytes: number) => Buffer.alloc(bytes, 'abcdefgh').toString('base64');

function toCall(operation: Call['endpoint']['operation'], value: unknown, maxOutputTokens?: number): Call {
  const body = bytesOf(value);
  return {
    id: 'req_1',
    endpoint: {
      operation,
      dialect: 'openai-chat',
      family: 'openai',
      body: 'json',
      upstreamPath: '/',
      prefix: '',
    },
    model: 'm',
    stream: false,
    body,
    members: scanJsonObject(body),
    modelSpan: undefined,
    maxOutputTokens,
    batchModels: undefined,
    wantsStreamUsage: false,
    query: '',
  };
}

describe('the tokens of a text', () => {
  // counts of o200k_base
  it.each([
    ['The quick brown fox jumps over the lazy dog.', 10],
    ['Please summarise the following document in three short sentences for a busy reader.', 15],
    ['function add(one: number, other: number): number {\n  return one + other;\n}', 20],
    ['2026-11-23T09:10:00.100Z INFO status=200 durationMs=37.5', 26],
    ['Softwareentwicklung erfordert sorgfältige Überlegungen.', 12],
  ])('%j are within a third of what a tokenizer counts', (text, counted) => {
    expect(textOf(text) / counted).toBeGreaterThan(0.75);
    expect(textOf(text) / counted).toBeLessThan(1.34);
  });

  it('are never fewer than one for eight bytes, whatever it is made of', () => {
    for (const text of ['a', ' ', '\n', '-', '1', 'é', '字', '😀', '\\', '"', 'Aa', '\u0001']) {
      const long = text.repeat(5_000);
      const bytes = bytesOf(long).length - 2;
      expect([text, textOf(long) >= bytes / 8]).toEqual([text, true]);
      expect([text, textOf(long) <= bytes * 1.25]).toEqual([text, true]);
    }
  });

  it('grow with the text: two halves have what the whole has', () => {
    const text = 'Some words, and 12 numbers (with signs);\n'.repeat(50);
    expect(textOf(text + text)).toBeCloseTo(2 * textOf(text), 0);
  });
});

describe('the tokens of a body', () => {
  it('are those of its texts and a little for each name and bracket', () => {
    const text = 'word '.repeat(1_000);
    const tokens = tokensOf({ model: 'gpt-4.1', messages: [{ role: 'user', content: text }] });
    expect(tokens).toBeGreaterThan(1_000);
    expect(tokens).toBeLessThan(1_030);
  });

  it('are counted in one look at each byte, one megabyte of one character included', () => {
    for (const character of ['a', '"', '\\', '{', ' ', '\n', '0']) {
      const reads = (count: number) => {
        const body = bytesOf({ text: character.repeat(count) });
        let looks = 0;
        const watched = new Proxy(body, {
          get(target, name) {
            if (name === 'indexOf')
              return (byte: number, from: number) => {
                const found = target.indexOf(byte, from);
                looks += (found < 0 ? target.length : found) - from + 1;
                return found;
              };
            if (name === 'subarray') return target.subarray.bind(target);
            if (typeof name === 'string' && /^\d+$/.test(name)) looks++;
            return Reflect.get(target, name, target);
          },
        });
        countBodyTokens(watched);
        return looks;
      };
      const [small, large] = [reads(2_000), reads(8_000)];
      expect([character, large < small * 4.2]).toEqual([character, true]);
      expect(countBodyTokens(bytesOf({ text: character.repeat(1_000_000) })).inputTokens).toBeGreaterThan(
        1e5,
      );
    }
  });

  it('are counted in less than one look at each byte of a long string, one of escapes that belong together included', () => {
    for (const character of ['a', '"', '\\', ' ', '\n', '0']) {
      const body = bytesOf({ text: character.repeat(400_000) });
      let looks = 0;
      const watched = new Proxy(body, {
        get(target, name) {
          if (typeof name === 'string' && /^\d+$/.test(name)) looks++;
          return Reflect.get(target, name, target);
        },
      });
      countByScript(watched, scanJsonObject(body).longStrings);
      expect([character, looks < body.length]).toEqual([character, true]);
    }
  });

  it('counts a long text from a part of it, to within a twentieth of what all of it counts', () => {
    const code =
      'for (const [name, value] of Object.entries(fields)) {\n\tconsole.log(name, value, 42);\n}\n';
    const prose = 'The committee met on Tuesday to discuss the budget, which nobody had read in full. ';
    const samples = {
      prose: prose.repeat(300),
      code: code.repeat(300),
      japanese: '東京の天気を教えてください。'.repeat(900),
    };
    for (const [name, text] of Object.entries(samples)) {
      const body = bytesOf({
        messages: [
          { role: 'user', content: text },
          { role: 'user', content: 'and now?' },
        ],
      });
      const index = scanJsonObject(body);
      expect([name, index.longStrings.length]).toEqual([name, 2]);
      const [all, part] = [countBodyTokens(body).inputTokens, countBodyTokens(body, index).inputTokens];
      expect([name, Math.abs(part - all) / all < 0.05, part === all]).toEqual([name, true, false]);
    }
  });

  it('counts media in a long string as media, and what stands behind it', () => {
    const image = {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: base64(90_000) },
    };
    const body = bytesOf({
      messages: [{ role: 'user', content: [image, { type: 'text', text: 'what is it?' }] }],
    });
    expect(countBodyTokens(body, scanJsonObject(body))).toEqual(countBodyTokens(body));
  });

  it.each<[string, object, number]>([
    [
      'Anthropic',
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: base64(90_000) } },
      1_600,
    ],
    [
      'OpenAI chat',
      { type: 'image_url', image_url: { url: `data:image/png;base64,${base64(90_000)}` } },
      1_600,
    ],
    [
      'OpenAI responses',
      { type: 'input_image', image_url: `data:image/jpeg;base64,${base64(90_000)}` },
      1_600,
    ],
    ['Gemini', { inlineData: { mimeType: 'image/png', data: base64(90_000) } }, 1_600],
    ['an address', { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }, 1_600],
    ['OpenAI audio', { type: 'input_audio', input_audio: { data: base64(90_000), format: 'wav' } }, 720],
    [
      'Anthropic documents',
      { source: { type: 'base64', media_type: 'application/pdf', data: base64(90_000) } },
      5_625,
    ],
    ['OpenAI files', { file: { file_data: `data:application/pdf;base64,${base64(90_000)}` } }, 5_625],
    ['Gemini video', { inline_data: { mime_type: 'video/mp4', data: base64(900_000) } }, 4_500],
  ])(
    'are by kind and size for media as %s spell them, not by the text that encodes them',
    (_, part, media) => {
      const tokens = tokensOf({ messages: [{ role: 'user', content: [part] }] });
      expect(tokens).toBeGreaterThanOrEqual(media);
      expect(tokens).toBeLessThan(media + 60);
    },
  );

  it.each<[string, object]>([
    [
      'in the arguments of a tool',
      { type: 'tool_use', input: { source: { media_type: 'image/png', data: base64(90_000) } } },
    ],
    ['that is no base64', { source: { media_type: 'image/png', data: `${'plain words '.repeat(9_000)}` } }],
    ['in a text', { type: 'text', text: `data:image/png;base64,${base64(90_000)}` }],
    ['under a name of its own', { data: base64(90_000) }],
  ])('are those of the text for what only looks like media: %s', (_, part) => {
    expect(tokensOf({ messages: [{ role: 'user', content: [part] }] })).toBeGreaterThan(14_000);
  });

  it('tell which cache the prompt is to be written to', () => {
    const marked = (control: object) =>
      countBodyTokens(bytesOf({ system: [{ text: 'x', cache_control: control }] })).cacheWrite;
    expect(marked({ type: 'ephemeral' })).toBe('5m');
    expect(marked({ type: 'ephemeral', ttl: '1h' })).toBe('1h');
    expect(countBodyTokens(bytesOf({ system: 'cache_control' })).cacheWrite).toBeUndefined();
    expect(countBodyTokens(bytesOf({ cache_control: null })).cacheWrite).toBeUndefined();
  });

  it('read names however they are written and spaced', () => {
    const body = Buffer.from('{ "system" : [ { "cache_control" : { "type" : "ephemeral" } } ] , "n" : 3 }');
    expect(countBodyTokens(body).cacheWrite).toBe('5m');
  });
});

describe('what a call may produce', () => {
  const model = { maxOutputTokens: 1_000 };

  it('is what it says, else what its model may, else a default', () => {
    expect(estimateOutputTokens(toCall('chat', {}, 50), model)).toBe(50);
    expect(estimateOutputTokens(toCall('chat', {}), model)).toBe(1_000);
    expect(estimateOutputTokens(toCall('chat', {}), undefined)).toBe(4_096);
    expect(estimateOutputTokens(toCall('embedding', {}), model)).toBe(0);
  });

  it('is of all choices together, where the call names no maximum', () => {
    expect(estimateOutputTokens(toCall('chat', { n: 3 }), model)).toBe(3_000);
    expect(choicesOf(toCall('completion', { n: 1, best_of: 4 }))).toBe(4);
    expect(choicesOf(toCall('generate-content', { generationConfig: { candidateCount: 2 } }))).toBe(2);
  });

  it('is of all requests of a batch together', () => {
    const requests = [{ params: { max_tokens: 10 } }, { params: { max_tokens: 20 } }, { params: {} }];
    expect(estimateOutputTokens(toCall('message-batch-create', { requests }), model)).toBe(1_030);
  });

  it('is in a batch what a fallback may produce, where that is more', () => {
    const fallbacks = [{ max_tokens: 50 }, null, { max_tokens: { toString: 1 } }];
    const requests = [{ params: { max_tokens: 10, fallbacks } }, { params: { max_tokens: 90, fallbacks } }];
    expect(estimateOutputTokens(toCall('message-batch-create', { requests }), model)).toBe(140);
  });

  it('costs a cache write for its input where it asks for one', () => {
    const usage = estimateUsage(toCall('message', { system: [{ cache_control: { ttl: '1h' } }] }, 5), model);
    expect(usage.cacheWrite1hTokens).toBe(usage.inputTokens);
    expect(estimateUsage(toCall('message', {}, 5), model)).not.toHaveProperty('cacheWrite5mTokens');
  });
});
