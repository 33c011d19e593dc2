import { toFetchHandler, toGatewayRequest } from 'headgate/fetch';
import { describe, expect, it } from 'vitest';
import { until } from './support/client.ts';
import { createStubGateway, partsBody, ScriptedBody, toReply } from './support/stub-gateway.ts';

const url = 'https://gateway.example/llm/v1/chat/completions?alt=sse#part';
const never = new Promise<undefined>(() => {});

describe('the fetch handler', () => {
  it('hands over what the Request says, without its fragment', async () => {
    const gateway = createStubGateway();
    const handler = toFetchHandler(gateway, { remoteAddress: (_request, host: { ip: string }) => host.ip });
    const host = { ip: '192.0.2.1' };
    const headers = { Authorization: 'Bearer x', 'X-A': '1' };
    await handler(new Request(url, { method: 'POST', body: 'abc', headers }), host);
    expect(gateway.seen[0]).toMatchObject({
      method: 'POST',
      path: '/llm/v1/chat/completions',
      query: 'alt=sse',
      secure: true,
      remoteAddress: '192.0.2.1',
      host,
    });
    expect(gateway.seen[0]?.headers).toMatchObject({ authorization: 'Bearer x', 'x-a': '1' });
  });

  it('answers with 500 where the host cannot say who calls', async () => {
    const gateway = createStubGateway();
    const remoteAddress = () => {
      throw new Error('no address');
    };
    expect((await toFetchHandler(gateway, { remoteAddress })(new Request(url))).status).toBe(500);
  });

  it('takes a URL without a path for the root', () => {
    const request = toGatewayRequest(new Request('http://a.example?x=/y'));
    expect([request.path, request.query, request.secure]).toEqual(['/', 'x=/y', false]);
  });

  it('pulls a chunk only when the caller wants one', async () => {
    const gateway = createStubGateway();
    const body = partsBody('a', 'b', 'c');
    gateway.answer = () => toReply(200, body);
    const response = await toFetchHandler(gateway)(new Request(url));
    const reader = response.body?.getReader();
    expect(body.pulls).toBe(0);
    await reader?.read();
    expect(body.pulls).toBe(1);
    await reader?.read();
    await reader?.read();
    expect((await reader?.read())?.done).toBe(true);
    expect(body.returns).toBe(0);
    expect(gateway.seen[0]?.signal.aborted).toBe(false);
  });

  it('aborts the request and stops the producer when the body of the response is cancelled', async () => {
    const gateway = createStubGateway();
    const body = new ScriptedBody((pull) => (pull === 0 ? Buffer.from('a') : never));
    gateway.answer = () => toReply(200, body);
    const response = await toFetchHandler(gateway)(new Request(url));
    const reader = response.body?.getReader();
    await reader?.read();
    const waiting = reader?.read();
    await reader?.cancel();
    await expect(waiting).resolves.toMatchObject({ done: true });
    expect(body.returns).toBe(1);
    expect(gateway.seen[0]?.signal.aborted).toBe(true);
  });

  it('aborts the request, stops the producer and breaks the body when the signal of the Request aborts', async () => {
    const gateway = createStubGateway();
    const body = new ScriptedBody((pull) => (pull === 0 ? Buffer.from('a') : never));
    gateway.answer = () => toReply(200, body);
    const abort = new AbortController();
    const response = await toFetchHandler(gateway)(new Request(url, { signal: abort.signal }));
    const reader = response.body?.getReader();
    await reader?.read();
    const waiting = reader?.read();
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'caller_gone' });
    expect(body.returns).toBe(1);
    expect(gateway.seen[0]?.signal.aborted).toBe(true);
  });

  it('is aborted from the start when the Request is', async () => {
    const gateway = createStubGateway();
    const body = partsBody('never');
    gateway.answer = () => toReply(200, body);
    await toFetchHandler(gateway)(new Request(url, { signal: AbortSignal.abort() }));
    expect(gateway.seen[0]?.signal.aborted).toBe(true);
    await until(() => body.returns === 1, 'the producer was told');
    expect(body.pulls).toBe(0);
  });

  it.each([204, 205, 304])('answers with %s, which has no body, whatever there is of one', async (status) => {
    const gateway = createStubGateway();
    gateway.answer = () => toReply(status, 'none', { 'x-request-id': '1' });
    const response = await toFetchHandler(gateway)(new Request(url));
    expect(response.status).toBe(status);
    expect(response.headers.get('x-request-id')).toBe('1');
    expect(response.body).toBe(null);
  });

  it('breaks the body of the response when the producer breaks', async () => {
    const gateway = createStubGateway();
    gateway.answer = () =>
      toReply(
        200,
        new ScriptedBody(() => {
          throw new Error('broke');
        }),
      );
    const response = await toFetchHandler(gateway)(new Request(url));
    await expect(response.text()).rejects.toThrow('broke');
  });

  it('stops reading a body that is too large and tells its source', async () => {
    const gateway = createStubGateway();
    gateway.answer = async (request) => toReply(200, await request.readBody(100));
    let cancelled = false;
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulls++;
        controller.enqueue(new Uint8Array(60));
      },
      cancel() {
        cancelled = true;
      },
    });
    const request = new Request(url, { method: 'POST', body, duplex: 'half' } as RequestInit);
    const response = await toFetchHandler(gateway)(request);
    expect(response.status).toBe(413);
    expect(cancelled).toBe(true);
    expect(pulls).toBeLessThan(6);
  });

  it('gives up on a body that does not come, and on one whose caller left', async () => {
    const silent = () =>
      ({ method: 'POST', body: new ReadableStream({ pull: () => never }), duplex: 'half' }) as RequestInit;
    const gateway = createStubGateway();
    const late = await toFetchHandler(gateway, { bodyTimeoutMs: 20 })(new Request(url, silent()));
    expect(late.status).toBe(408);
    const abort = new AbortController();
    const pending = toFetchHandler(gateway)(new Request(url, { ...silent(), signal: abort.signal }));
    abort.abort();
    await pending;
    expect(gateway.errors).toEqual(['body_timeout', 'caller_gone']);
  });

  it('says what to do when the body was read before', async () => {
    const gateway = createStubGateway();
    const request = new Request(url, { method: 'POST', body: 'abc' });
    await request.text();
    const held = new Request(url, { method: 'POST', body: 'abc' });
    held.body?.getReader();
    for (const read of [request, held]) expect((await toFetchHandler(gateway)(read)).status).toBe(500);
    expect(gateway.errors).toEqual(['body_already_read', 'body_already_read']);
  });

  it('refuses a Host that is none, and more headers than it may have', async () => {
    const gateway = createStubGateway();
    const handler = toFetchHandler(gateway, { maxHeaders: 3 });
    expect((await handler(new Request(url, { headers: { host: 'a, b' } }))).status).toBe(400);
    expect((await handler(new Request(url, { headers: { a: '1', b: '2', c: '3', d: '4' } }))).status).toBe(
      400,
    );
    expect((await handler(new Request(url, { headers: { a: '1', b: '2' } }))).status).toBe(200);
  });
});
