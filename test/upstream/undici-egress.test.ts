import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createUndiciEgress, type EgressRequest } from 'headgate';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

vi.mock('node:dns', async (original) => ({
  ...(await original<typeof import('node:dns')>()),
  lookup: (_host: string, _options: unknown, callback: (error: null, found: object[]) => void) =>
    callback(null, [{ address: '169.254.169.254', family: 4 }]),
}));

function createEgress() {
  const egress = createUndiciEgress();
  onTestFinished(() => egress.close());
  const send = (origin: string, more: Partial<EgressRequest> = {}) =>
    egress.send({
      origin,
      path: '/',
      method: 'GET',
      headers: [],
      body: undefined,
      signal: new AbortController().signal,
      whenGone: () => () => undefined,
      pool: 'p',
      maxConnections: 1,
      connectTimeoutMs: 1_000,
      headersTimeoutMs: 5_000,
      idleTimeoutMs: 5_000,
      ...more,
    });
  return send;
}

describe('the way out on Node', () => {
  it('connects to no name that leads where cloud metadata lives', async () => {
    const send = createEgress();
    await expect(send('http://provider.test')).rejects.toMatchObject({ code: 'ERR_ADDRESS_REFUSED' });
  });

  it('gives up a head that does not come, and a body of which nothing more comes', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/body') response.write('x');
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.closeAllConnections());
    await new Promise((resolve) => server.once('listening', resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const send = createEgress();
    const head = send(origin, { path: '/head', pool: 'a', headersTimeoutMs: 100 });
    await expect(head).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' });
    const { body } = await send(origin, { path: '/body', pool: 'b', idleTimeoutMs: 100 });
    await expect(body.collect(100)).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' });
    server.close();
  });
});
