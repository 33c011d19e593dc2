import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { countPromptTokens, countTokens, createFakeUpstream } from '../../src/testing/fake-upstream/index.ts';
import { collect } from './collect.ts';

const upstream = await createFakeUpstream({ chunkDelayMs: 5 });
const chat = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };

const post = (body: unknown, path = '/v1/chat/completions', url = upstream.url) =>
  fetch(`${url}${path}`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });

beforeEach(() => upstream.reset());
afterAll(() => upstream.close());

describe('createFakeUpstream', () => {
  it('records method, path, raw query, headers and body as they came', async () => {
    await fetch(`${upstream.url}/v1/embeddings?a=%41&b`, {
      method: 'POST',
      headers: { 'X-Custom': 'Yes' },
      body: '{"model":"m", "input":"x"}',
    });
    const request = upstream.requests[0];
    expect(request).toMatchObject({
      method: 'POST',
      path: '/v1/embeddings',
      query: 'a=%41&b',
      bodyComplete: true,
    });
    expect(request?.headers['x-custom']).toBe('Yes');
    expect(request?.body.toString()).toBe('{"model":"m", "input":"x"}');
    expect(request?.json).toEqual({ model: 'm', input: 'x' });
    await upstream.waitFor((candidate) => candidate.complete && !candidate.aborted, 60_000);
  });

  it('tells when a client left a running stream, and bills only what was generated', async () => {
    const call = httpRequest(`${upstream.url}/v1/chat/completions`, { method: 'POST', agent: false });
    call.end(JSON.stringify({ ...chat, stream: true }));
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    await once(response, 'data');
    call.destroy();
    const request = await upstream.waitFor((candidate) => candidate.aborted, 60_000);
    expect(request.complete).toBe(false);
    const [entry] = upstream.tally;
    expect(entry?.complete).toBe(false);
    expect(entry?.billedInputTokens).toBe(1);
    expect(entry?.billedOutputTokens).toBe(entry?.generatedTokens);
    expect(entry?.generatedTokens).toBeLessThan(entry?.usage.outputTokens ?? 0);
  });

  it('tells when a client left while it sent its body', async () => {
    const call = httpRequest(`${upstream.url}/v1/chat/completions`, {
      method: 'POST',
      agent: false,
      headers: { 'content-length': '100' },
    });
    call.on('error', () => undefined);
    call.write('{"model"');
    await upstream.waitFor(() => true, 60_000);
    call.destroy();
    const request = await upstream.waitFor((candidate) => candidate.aborted, 60_000);
    expect(request.bodyComplete).toBe(false);
    expect(upstream.tally).toHaveLength(0);
  });

  it('does not call a finished request on a closed keep-alive connection aborted', async () => {
    const agent = new Agent({ keepAlive: true });
    for (let index = 0; index < 2; index += 1) {
      const call = httpRequest(`${upstream.url}/v1/chat/completions`, { method: 'POST', agent });
      call.end(JSON.stringify(chat));
      const [response] = (await once(call, 'response')) as [IncomingMessage];
      await collect(response);
    }
    expect(upstream.connections).toBe(1);
    agent.destroy();
    await post(chat);
    await upstream.waitFor((request) => request.index === 2 && request.complete, 60_000);
    expect(upstream.requests.map((request) => request.aborted)).toEqual([false, false, false]);
  });

  it('bills the same tokens for a stream and for a whole reply', async () => {
    await (await post(chat)).text();
    await (await post({ ...chat, stream: true })).text();
    const [whole, streamed] = upstream.tally;
    expect(streamed?.usage).toEqual(whole?.usage);
    expect(streamed?.billedOutputTokens).toBe(whole?.billedOutputTokens);
    expect([whole?.complete, streamed?.complete]).toEqual([true, true]);
  });

  it('scripts faults by number, by predicate and by selector, in their order', async () => {
    upstream.fail({ kind: 'status', status: 500 }, { times: 2 });
    upstream.fail({ kind: 'status', status: 429 }, { when: (request) => request.path === '/v1/embeddings' });
    upstream.fail((request) =>
      request.body.includes('forbidden') ? { kind: 'status', status: 403 } : undefined,
    );
    const statuses = [];
    for (const [body, path] of [
      [chat],
      [chat],
      [chat],
      [{ model: 'm', input: 'x' }, '/v1/embeddings'],
      [{ model: 'm', input: 'x' }, '/v1/embeddings'],
      [{ ...chat, user: 'forbidden' }],
      [{ ...chat, user: 'forbidden' }],
    ] as const) {
      statuses.push((await post(body, path)).status);
    }
    expect(statuses).toEqual([500, 500, 200, 429, 200, 403, 403]);
    upstream.fail({ kind: 'status', status: 500 });
    upstream.reset();
    expect((await post(chat)).status).toBe(200);
    expect(upstream.requestCount).toBe(1);
  });

  it('answers a body that is not JSON in the words of each provider, and 413 to one that is too large', async () => {
    expect((await post('{"model"')).status).toBe(400);
    expect(await (await post('nope', '/v1/messages')).json()).toMatchObject({ type: 'error' });
    expect(await (await post('', '/v1/models/g:generateContent')).json()).toMatchObject({
      error: { code: 400 },
    });
    await using small = await createFakeUpstream({ maxBodyBytes: 10 });
    expect((await post(chat, undefined, small.url)).status).toBe(413);
  });

  it('keeps no more records than it is told to', async () => {
    await using small = await createFakeUpstream({ maxRecordedRequests: 2 });
    for (let index = 0; index < 4; index += 1) {
      await (await post(chat, undefined, small.url)).text();
    }
    expect(small.requests.map((request) => request.index)).toEqual([2, 3]);
    expect(small.tally).toHaveLength(2);
    expect(small.requestCount).toBe(4);
  });

  it('gives up a wait in time, and at once when it closes', async () => {
    await expect(upstream.waitFor(() => false, 10)).rejects.toThrow('no request matched within 10 ms');
    const other = await createFakeUpstream();
    const waiting = expect(other.waitFor(() => false, 60_000)).rejects.toThrow('the upstream was closed');
    await other.close();
    await waiting;
  });

  it('closes while a client waits, twice without harm, and does not blame the client', async () => {
    const other = await createFakeUpstream();
    other.fail({ kind: 'stall' });
    const call = post(chat, undefined, other.url).catch((cause: unknown) => cause);
    const request = await other.waitFor((candidate) => candidate.bodyComplete, 60_000);
    await Promise.all([other.close(), other.close()]);
    expect(await call).toBeInstanceOf(TypeError);
    expect(request.aborted).toBe(false);
  });

  it('answers 500 with the reason when what was scripted throws', async () => {
    await using other = await createFakeUpstream({
      reply: () => {
        throw new Error('no reply today');
      },
    });
    expect(await (await post(chat, undefined, other.url)).text()).toContain('no reply today');
    other.fail(() => {
      throw new Error('no fault today');
    });
    expect(await (await post(chat, undefined, other.url)).text()).toContain('no fault today');
    other.reset();
    other.fail({ kind: 'status', status: 429, retryAfter: 'a\nb' });
    expect(await (await post(chat, undefined, other.url)).text()).toContain('ERR_INVALID_CHAR');
  });

  it('names an option that is out of its range', async () => {
    await expect(createFakeUpstream({ tokensPerChunk: 0 })).rejects.toThrow('option tokensPerChunk');
  });
});

describe('token counts', () => {
  it('are four code points a token, labels and ids apart', () => {
    expect(countTokens('')).toBe(0);
    expect(countTokens('abcde')).toBe(2);
    expect(countTokens('😀😀😀😀')).toBe(1);
    expect(countPromptTokens([{ role: 'user', content: 'abcd', id: 'not counted' }], undefined)).toBe(1);
    expect(countPromptTokens({ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } })).toBe(
      256,
    );
  });
});
