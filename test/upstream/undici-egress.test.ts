import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createUndiciEgress, type EgressRequest } from 'headgate';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { toEgressRequest } from './egress-request.ts';

vi.mock('node:dns', async (original) => ({
  ...(await original<typeof import('node:dns')>()),
  lookup: (_host: string, _options: unknown, callback: (error: null, found: object[]) => void) =>
    callback(null, [{ address: '169.254.169.254', family: 4 }]),
}));

function createEgress() {
  const egress = createUndiciEgress();
  onTestFinished(() => egress.close());
  const send = (origin: string, more: Partial<EgressRequest> = {}) =>
    egress.send(toEgressRequest(origin, more));
  return send;
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Whether something is still held after a full collection. */
async function isHeld(reference: WeakRef<object>): Promise<boolean> {
  // what is looked at stays until the end of the turn
  await new Promise((resolve) => setTimeout(resolve, 50));
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return reference.deref() !== undefined;
}

describe('the way out on Node', () => {
  it('connects to no name that leads where cloud metadata lives', async () => {
    const send = createEgress();
    await expect(send('http://provider.test')).rejects.toMatchObject({ code: 'ERR_ADDRESS_REFUSED' });
  });

  it('gives up a head that does not come, and a body of which nothing more comes', async () => {
    const origin = await serve((request, response) => {
      if (request.url === '/body') response.write('x');
    });
    const send = createEgress();
    const head = send(origin, { path: '/head', pool: 'a', headersTimeoutMs: 100 });
    await expect(head).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' });
    const { body } = await send(origin, { path: '/body', pool: 'b', idleTimeoutMs: 100 });
    await expect(body.collect(100)).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' });
  });

  it('sends what comes up together, each in the context of its caller', async () => {
    const origin = await serve((request, response) => void response.end(request.url));
    const send = createEgress();
    const callers = new AsyncLocalStorage<string>();
    const seen = new Map<string, string | undefined>();
    const note = (message: unknown) => {
      const { request } = message as { readonly request: { readonly path: string } };
      seen.set(request.path, callers.getStore());
    };
    subscribe('undici:request:create', note);
    onTestFinished(() => void unsubscribe('undici:request:create', note));
    await Promise.all(
      ['/a', '/b', '/c'].map((path) =>
        callers.run(`of ${path}`, async () => {
          const { body } = await send(origin, { path });
          expect(String((await body.collect(100)).bytes)).toBe(path);
          expect(callers.getStore()).toBe(`of ${path}`);
        }),
      ),
    );
    expect(Object.fromEntries(seen)).toEqual({ '/a': 'of /a', '/b': 'of /b', '/c': 'of /c' });
  });

  it('sends what it was given before its pool is forgotten', async () => {
    const origin = await serve((request, response) => void response.end(request.url));
    const egress = createUndiciEgress({ maxPools: 1 });
    onTestFinished(() => egress.close());
    const send = async (path: string) => {
      const { body } = await egress.send(toEgressRequest(origin, { path, pool: path }));
      return String((await body.collect(100)).bytes);
    };
    // loads undici
    await send('/first');
    const replies = [send('/crowded-out'), send('/not-retained')];
    egress.retain?.(new Set());
    expect(await Promise.all(replies)).toEqual(['/crowded-out', '/not-retained']);
  });

  it('sends nothing for a caller who left before its turn came', async () => {
    const seen: (string | undefined)[] = [];
    const origin = await serve((request, response) => {
      seen.push(request.url);
      response.end();
    });
    const send = createEgress();
    await send(origin, { path: '/first' });
    let isGone = false;
    const whenGone = (listener: () => void) => {
      if (isGone) listener();
      return () => undefined;
    };
    const reply = send(origin, { path: '/given-up', whenGone });
    isGone = true;
    await expect(reply).rejects.toThrow('The caller has gone away.');
    await send(origin, { path: '/next' });
    expect(seen).toEqual(['/first', '/next']);
  });

  it.each([
    [1_000, false],
    [1_000, true],
    [400_000, false],
  ])('sends a body of %i bytes with its length, where the reply is a stream: %s', async (length, streams) => {
    const origin = await serve((request, response) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => (bytes += chunk.length));
      request.on('end', () => response.end(JSON.stringify([bytes, request.headers])));
    });
    const { body } = await createEgress()(origin, { method: 'POST', body: new Uint8Array(length), streams });
    const [bytes, headers] = JSON.parse(Buffer.from((await body.collect(10_000)).bytes).toString());
    expect(bytes).toBe(length);
    expect(headers).toMatchObject({ 'content-length': String(length) });
    expect(headers).not.toHaveProperty('transfer-encoding');
  });

  it.each([
    [400_000, false],
    [1_000, true],
  ])(
    'keeps neither a body of %i bytes nor what the head came with while a reply lasts',
    async (length, streams) => {
      const origin = await serve((request, response) => {
        request.resume().on('end', () => response.write('x'.repeat(5_000)));
      });
      const send = createEgress();
      const sendOnce = async () => {
        const body = new Uint8Array(length);
        const reply = await send(origin, { method: 'POST', body, streams });
        const chunks = reply.body[Symbol.asyncIterator]();
        const first = (await chunks.next()).value as Uint8Array;
        expect(Buffer.from(first).toString()).toBe('x'.repeat(5_000));
        // the read that brought it and the head
        expect(first.buffer.byteLength).toBeGreaterThan(5_100);
        return { reply, chunks, sent: new WeakRef(body.buffer), come: new WeakRef(first.buffer) };
      };
      const { reply, chunks, sent, come } = await sendOnce();
      expect(await isHeld(sent)).toBe(false);
      expect(await isHeld(come)).toBe(false);
      // it is still there
      expect(await Promise.race([chunks.next(), 'waits'])).toBe('waits');
      reply.body.cancel();
    },
  );

  it.each(['reads it late', 'breaks'])(
    'tells when it reads a body no more: who is asked %s',
    async (does) => {
      const length = 32_000_000;
      let come = 0;
      let go: () => void = () => undefined;
      const origin = await serve((request, response) => {
        go = () => {
          if (does === 'breaks') request.destroy();
          else
            request.on('data', ({ length }: Buffer) => (come += length)).on('end', () => response.end('{}'));
        };
      });
      let told = 0;
      const lendBody = () => () => {
        told++;
      };
      const reply = createEgress()(origin, { method: 'POST', body: new Uint8Array(length), lendBody });
      const over = reply.then(({ body }) => body.collect(100)).catch(() => undefined);
      // more than the kernel takes while nobody reads
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(told).toBe(0);
      go();
      await over;
      expect(come).toBe(does === 'breaks' ? 0 : length);
      await vi.waitFor(() => expect(told).toBe(1), 60_000);
    },
  );
});
