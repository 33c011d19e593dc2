import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../../src/testing/fake-upstream/index.ts';
import { chat, openFaultSite, stream } from './fault-site.ts';
import { contentOf } from './plain-client.ts';

const { upstream, send, sendRaw, sentence } = await openFaultSite();

describe('faults of status', () => {
  it.each([400, 401, 403, 404, 413, 418, 429, 500, 503, 529])(
    'answers %i in each dialect',
    async (status) => {
      const google = '/v1beta/models/gemini-3.5-flash:generateContent';
      upstream.fail({ kind: 'status', status }, { times: 3 });
      const openai = await send(chat);
      const anthropic = await send({}, '/v1/messages');
      const gemini = await send({}, google);
      expect([openai.status, anthropic.status, gemini.status]).toEqual([status, status, status]);
      expect(JSON.parse(openai.text)).toEqual({
        error: {
          message: expect.any(String),
          type: expect.any(String),
          param: null,
          code: expect.toSatisfy(isCode),
        },
      });
      expect(JSON.parse(anthropic.text)).toMatchObject({
        type: 'error',
        error: { type: expect.stringMatching(/_error$|^request_too_large$/) },
        request_id: anthropic.headers['request-id'],
      });
      expect(JSON.parse(gemini.text)).toMatchObject({
        error: { code: status, status: expect.stringMatching(/^[A-Z_]+$/) },
      });
      expect((await send(chat)).status).toBe(200);
    },
  );

  it.each(['2', '-5', '1.5', 'abc', '99999999999', 'Wed, 21 Oct 2015 07:28:00 GMT'])(
    'sends retry-after %s verbatim',
    async (retryAfter) => {
      upstream.fail([{ kind: 'status', status: 429, retryAfter, retryAfterMs: '250' }]);
      const { headers } = await send(chat);
      expect(headers).toMatchObject({ 'retry-after': retryAfter, 'retry-after-ms': '250' });
    },
  );

  it('words an account without money as each provider does', async () => {
    upstream.fail({ kind: 'status', status: 429, reason: 'insufficient_quota' }, { times: 2 });
    const openai = await send(chat);
    expect(openai.headers['retry-after']).toBeUndefined();
    expect(JSON.parse(openai.text).error).toMatchObject({
      type: 'insufficient_quota',
      code: 'insufficient_quota',
    });
    const anthropic = JSON.parse((await send({}, '/v1/messages')).text);
    expect(anthropic.error).toMatchObject({ details: { error_code: 'enforced_spend_limit_reached' } });
  });

  it('sends HTML with 500 and with 200, and an empty 502', async () => {
    upstream.fail({ kind: 'status', status: 500, body: 'html' });
    upstream.fail({ kind: 'status', status: 200, body: 'html' });
    upstream.fail({ kind: 'status', status: 502, body: 'empty' });
    const results = [await send(chat), await send(chat), await send(chat)];
    expect(results.map((result) => result.status)).toEqual([500, 200, 502]);
    expect(results.map((result) => result.headers['content-type'])).toEqual([
      'text/html',
      'text/html',
      undefined,
    ]);
    expect(results[2]?.body).toHaveLength(0);
  });

  it('redirects', async () => {
    upstream.fail({ kind: 'redirect', status: 307, location: 'http://169.254.169.254/' });
    const { status, headers } = await send(chat);
    expect([status, headers.location]).toEqual([307, 'http://169.254.169.254/']);
  });
});

describe('faults of the connection', () => {
  it.each([
    ['fin', undefined],
    ['reset', 'ECONNRESET'],
  ] as const)('closes with %s before anything is answered', async (how, code) => {
    upstream.fail({ kind: 'connection', at: 'request', how });
    const result = await sendRaw(chat);
    expect(result).toEqual(code === undefined ? { text: '' } : { text: '', error: code });
    expect(upstream.requests[0]).toMatchObject({ bodyComplete: true, aborted: false });
  });

  it('closes at accept without reading a request', async () => {
    upstream.fail({ kind: 'connection', at: 'accept', how: 'reset' });
    expect((await sendRaw(chat)).text).toBe('');
    expect(upstream.requests).toHaveLength(0);
    expect(upstream.connections).toBe(1);
    expect((await send(chat)).status).toBe(200);
  });

  it.each([chat, stream])('resets after some chunks', async (body) => {
    upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 2 });
    const result = await send(body);
    expect(result).toMatchObject({ status: 200, error: 'ECONNRESET' });
    expect(result.body.length).toBeGreaterThan(0);
    expect(upstream.requests[0]).toMatchObject({ complete: true, aborted: false });
  });

  it('closes inside a chunk', async () => {
    upstream.fail({ kind: 'cut', how: 'fin-mid-chunk', afterChunks: 3 });
    const { text } = await sendRaw(stream);
    expect(text.match(/"content":"[^"]/g)).toHaveLength(3);
    expect(text).not.toContain('[DONE]');
    const [, size = '', rest = ''] = /\r\n([0-9a-f]+)\r\n([^\r]+)$/.exec(text) ?? [];
    expect(rest).toMatch(/^data: \{/);
    expect(Number.parseInt(size, 16)).toBeGreaterThan(rest.length);
    upstream.fail({ kind: 'cut', how: 'fin-mid-chunk', afterChunks: 3 });
    expect(await send(stream)).toMatchObject({ error: 'ECONNRESET' });
  });

  it.each([
    ['clean-end', 'transfer-encoding: chunked'],
    ['clean-end-close-delimited', 'connection: close'],
  ] as const)('ends a stream cleanly without its terminator: %s', async (how, header) => {
    upstream.fail({ kind: 'cut', how, afterChunks: 3 }, { times: 2 });
    const result = await send(stream);
    expect(result.error).toBeUndefined();
    expect(sentence.startsWith(contentOf(result.text))).toBe(true);
    expect(result.text).not.toContain('[DONE]');
    const { text } = await sendRaw(stream, (received) => received.endsWith('0\r\n\r\n'));
    expect(text.toLowerCase()).toContain(header);
    expect(text.toLowerCase().includes('transfer-encoding')).toBe(how === 'clean-end');
  });

  it.each([{ kind: 'stall' } satisfies Fault, { kind: 'cut', how: 'stall', afterChunks: 2 } satisfies Fault])(
    'stalls until the client goes away, which it records: $kind',
    async (fault) => {
      upstream.fail(fault);
      const call = httpRequest(`${upstream.url}/v1/chat/completions`, { method: 'POST', agent: false });
      call.on('error', () => undefined);
      call.end(JSON.stringify(stream));
      if (fault.kind === 'cut') {
        const [response] = (await once(call, 'response')) as [IncomingMessage];
        response.on('error', () => undefined);
        await once(response, 'data');
      } else {
        await upstream.waitFor((request) => request.bodyComplete, 60_000);
      }
      const leftAtMs = performance.timeOrigin + performance.now();
      call.destroy();
      const request = await upstream.waitFor((candidate) => candidate.aborted, 60_000);
      expect(request.complete).toBe(false);
      expect(request.closedAtMs).toBeGreaterThanOrEqual(leftAtMs);
      expect(upstream.tally.every((entry) => !entry.complete)).toBe(true);
    },
  );

  it('sends a second reply on the idle connection', async () => {
    upstream.fail({ kind: 'extra-response' });
    const { text } = await sendRaw(chat, (received) => received.includes('poisoned'));
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
  });

  it.each([
    ['garbage-status', /^HTTP\/9\.9 banana/],
    ['content-length-and-chunked', /content-length: 5\r\ntransfer-encoding: chunked/],
    ['two-content-lengths', /content-length: 2\r\ncontent-length: 7/],
    ['switching-protocols', /^HTTP\/1\.1 101 /],
    ['bad-chunk-size', /\r\n\r\nzz\r\n/],
  ] as const)('writes a broken head: %s', async (how, pattern) => {
    upstream.fail({ kind: 'broken-head', how });
    expect((await sendRaw(chat)).text).toMatch(pattern);
  });

  it('floods with informational replies and pads the headers', async () => {
    upstream.fail([
      { kind: 'informational', count: 50, status: 102 },
      { kind: 'huge-headers', bytes: 20_000 },
    ]);
    const { text } = await sendRaw(chat, (received) => received.includes('chat.completion'));
    expect(text.match(/HTTP\/1\.1 102 Processing/g)).toHaveLength(50);
    expect(text.match(/x-padding-\d: x+/g)?.join('').length).toBeGreaterThan(20_000);
  });
});

function isCode(value: unknown): boolean {
  return value === null || typeof value === 'string';
}
