import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../../src/testing/fake-upstream/index.ts';
import { chat, openFaultSite, stream } from './fault-site.ts';
import { contentOf } from './plain-client.ts';

const { upstream, send, sendRaw, sentence } = await openFaultSite();

describe('faults of the body', () => {
  it('truncates JSON with a clean end', async () => {
    upstream.fail({ kind: 'truncated-json' });
    const { text, error, headers } = await send(chat);
    expect(error).toBeUndefined();
    expect(Number(headers['content-length'])).toBe(Buffer.byteLength(text));
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
  });

  it('announces more or fewer bytes than it sends', async () => {
    upstream.fail({ kind: 'wrong-content-length', by: 10 });
    expect(await send(chat)).toMatchObject({ error: 'ECONNRESET' });
    upstream.fail({ kind: 'wrong-content-length', by: -10 });
    const { text } = await sendRaw(chat);
    const [head = '', body = ''] = text.split('\r\n\r\n');
    expect(Number(/content-length: (\d+)/i.exec(head)?.[1])).toBe(body.length - 10);
  });

  it('compresses what nobody asked for, as a bomb when told so', async () => {
    upstream.fail([{ kind: 'encoded', encoding: 'gzip', inflatedBytes: 2_000_000 }]);
    const { headers, body } = await send(chat, undefined, { 'accept-encoding': 'identity' });
    expect(headers['content-encoding']).toBe('gzip');
    expect(body.length).toBeLessThan(10_000);
    expect(gunzipSync(body)).toHaveLength(2_000_000);
    expect(JSON.parse(gunzipSync(body).toString())).toMatchObject({ object: 'chat.completion' });
    upstream.fail({ kind: 'encoded', encoding: 'gzip', layers: 3 });
    const stacked = await send(stream);
    expect(stacked.headers['content-encoding']).toBe('gzip, gzip, gzip');
    expect(contentOf(gunzipSync(gunzipSync(gunzipSync(stacked.body))).toString())).toBe(sentence);
  });

  it('grows the JSON', async () => {
    upstream.fail({ kind: 'huge-json', bytes: 300_000 });
    const { text } = await send(chat);
    expect(JSON.parse(text)).toMatchObject({ object: 'chat.completion', padding: 'x'.repeat(300_000) });
  });

  it('trickles the body and waits before the headers', async () => {
    const start = performance.now();
    upstream.fail([
      { kind: 'slow-body', bytes: 100, intervalMs: 5 },
      { kind: 'delay', delayMs: 50 },
    ]);
    const { pieces, text } = await send(chat);
    expect(pieces).toBe(Math.ceil(Buffer.byteLength(text) / 100));
    expect(performance.now() - start).toBeGreaterThan(50);
  });

  it('cuts characters and line ends in two', async () => {
    upstream.fail([{ kind: 'split', everyBytes: 1 }]);
    const result = await send({ ...stream, stop: ['dog'] });
    expect(result.pieces).toBeGreaterThan(result.body.length / 4);
    expect(sentence.startsWith(contentOf(result.text))).toBe(true);
    expect(result.text.endsWith('data: [DONE]\n\n')).toBe(true);
  });
});

describe('faults inside a stream', () => {
  it('sends an error event in the dialect, first or after content', async () => {
    const error = (fault: Partial<Fault> = {}) =>
      upstream.fail({ kind: 'stream-error', afterChunks: 0, ...fault } as Fault);
    error();
    const first = await send(stream);
    expect(first.text).toMatch(/^data: \{"error":\{[^\n]+\n\n$/);
    error({ afterChunks: 3 });
    const later = await send(stream);
    expect(contentOf(later.text)).toBe(sentence.slice(0, 24));
    expect(later.text).not.toContain('[DONE]');
    const message = { ...stream, max_tokens: 100 };
    const version = { 'anthropic-version': '2023-06-01' };
    error({ afterOpening: true });
    const anthropic = await send(message, '/v1/messages', version);
    expect(anthropic.text).toContain('event: message_start');
    expect(anthropic.text).not.toContain('content_block_delta');
    expect(anthropic.text).toMatch(
      /event: error\ndata: \{"type":"error","error":\{"type":"overloaded_error"/,
    );
    error();
    const gemini = await send(
      { contents: [{ parts: [{ text: 'Hi' }] }] },
      '/v1beta/models/gemini-3.5-flash:streamGenerateContent?alt=sse',
    );
    expect(gemini.text).toMatch(/^data: \{"error":\{"code":503,[^\r]+\r\n\r\n$/);
    error();
    const responses = await send({ model: 'gpt-5.5', input: 'Hi', stream: true }, '/v1/responses');
    expect(responses.text).toMatch(/^event: error\ndata: \{"type":"error","sequence_number":/);
    error({ form: 'failed' });
    const failed = await send({ model: 'gpt-5.5', input: 'Hi', stream: true }, '/v1/responses');
    expect(failed.text).toMatch(/^event: response.failed\n/);
  });

  it('sends a chunk that is not JSON and goes on', async () => {
    upstream.fail({ kind: 'malformed-chunk', afterChunks: 2 });
    const { text } = await send(stream);
    expect(text).toContain('data: {"broken": tru\n\n');
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('sends a giant line, and many tiny ones', async () => {
    upstream.fail({ kind: 'giant-line', bytes: 3_000_000 });
    const giant = await send(stream);
    expect(giant.text).toHaveLength(3_000_006);
    expect(giant.text).not.toContain('\n');
    upstream.fail({ kind: 'tiny-lines', count: 100_000 });
    const tiny = await send(stream);
    expect(tiny.text).toBe('data: x\n'.repeat(100_000));
  });

  it.each(['\n', '\r\n', '\r', 'mixed'] as const)(
    'keeps the content under odd formatting: %j',
    async (lineEnding) => {
      upstream.fail({
        kind: 'sse-format',
        lineEnding,
        bom: true,
        comments: true,
        unknownEvents: true,
        extraFields: true,
      });
      const { text } = await send(stream);
      expect(text.startsWith('\uFEFFevent: telemetry.unheard_of')).toBe(true);
      expect(text).toContain(': keep-alive');
      expect(contentOf(text)).toBe(sentence);
      expect(text.includes('\r')).toBe(lineEnding !== '\n');
    },
  );

  it('spreads a payload over several data lines', async () => {
    upstream.fail({ kind: 'sse-format', multiLineData: true });
    const { text } = await send(stream);
    const events = text.split('\n\n').filter((event) => event.includes('{'));
    const payloads = events.map((event) => JSON.parse(event.replaceAll(/^data: /gm, '')));
    expect(events[0]?.split('\n').length).toBeGreaterThan(3);
    expect(payloads.map((payload) => payload.choices[0]?.delta.content ?? '').join('')).toBe(sentence);
  });
});

describe('faults of usage', () => {
  const read = async (path: string, body: unknown, key = 'usage') => {
    const { text } = await send(body, path, { 'anthropic-version': '2023-06-01' });
    return text.startsWith('{') ? JSON.parse(text)[key] : text;
  };

  it.each([
    ['missing', undefined],
    ['null', null],
    ['negative', expect.objectContaining({ prompt_tokens: -3 })],
    ['string', expect.objectContaining({ prompt_tokens: '2' })],
    ['huge', expect.objectContaining({ prompt_tokens: 1e308 })],
    ['fraction', expect.objectContaining({ prompt_tokens: 2.5 })],
    ['inflated', expect.objectContaining({ prompt_tokens: 2_000 })],
  ] as const)('reports it %s while the tally stays true', async (usage, expected) => {
    upstream.fail({ kind: 'usage', usage });
    expect(await read('/v1/chat/completions', chat)).toEqual(expected);
    expect(upstream.tally[0]).toMatchObject({ billedInputTokens: 2, billedOutputTokens: 23, complete: true });
  });

  it('falsifies streams of every dialect, too', async () => {
    upstream.fail({ kind: 'usage', usage: 'missing' }, { times: 4 });
    expect(await read('/v1/chat/completions', stream)).not.toContain('usage');
    expect(await read('/v1/messages', { ...stream, max_tokens: 9 })).not.toContain('input_tokens');
    expect(await read('/v1/responses', { model: 'm', input: 'Hi', stream: true })).not.toContain(
      'input_tokens',
    );
    const gemini = '/v1beta/models/g:streamGenerateContent?alt=sse';
    expect(await read(gemini, { contents: [{ parts: [{ text: 'Hi' }] }] })).not.toContain('usageMetadata');
  });
});
