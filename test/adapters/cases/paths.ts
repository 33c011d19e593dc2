import assert from 'node:assert/strict';
import { type AdapterCase, needsHttp1 } from '../support/case.ts';
import type { Mount } from '../support/mounts.ts';
import { toReply } from '../support/stub-gateway.ts';

/** Paths that routers and proxies like to read in several ways. */
const trickyPaths = [
  '//v1/models',
  '/v1//models',
  '/\\v1\\models',
  '/%2e%2e/v1/models',
  '/v1/../admin',
  '/v1/./models',
  '/v1;x=1/models',
  '/v1%2fmodels',
  '/V1/Models',
  '/v1/models.',
  '/v1/models/',
  '/v1/%00models',
  '/v1/%zz',
  '/v1/caf\xe9',
  '/v1/models:generate(x)!*~',
  `/v1/models/${'m'.repeat(300)}`,
] as const;

/** What a framework does to a path before any handler is asked. It may refuse; it never hands on another path. */
function mayRefuse(mount: Mount, path: string): boolean {
  // Node's parser takes bytes beyond ASCII or refuses them, depending on its version
  if (path.includes('\xe9')) return true;
  if (mount.family === 'fastify') return path.includes('%zz');
  // node-server refuses backslashes; hono routes by the normalised path, which may lie outside of the mount
  if (mount.family === 'hono') return path.includes('\\') || /\.\.|%2e%2e/.test(path);
  return false;
}

const normalises = (mount: Mount): string | undefined =>
  mount.overFetch ? 'a Request holds a normalised URL, the raw path is not there any more' : undefined;

export const pathCases: readonly AdapterCase[] = [
  {
    name: 'the path reaches the gateway with its mount prefix',
    async run({ send, gateway, mount }) {
      const reply = await send({ path: '/v1/chat/completions', method: 'POST', body: '{}' });
      assert.equal(reply.status, 200);
      assert.equal(gateway.seen[0]?.path, `${mount.prefix}/v1/chat/completions`);
      assert.equal(gateway.seen[0]?.query, '');
    },
  },
  {
    name: 'the query reaches the gateway as it was written',
    async run({ send, gateway, mount }) {
      const query = 'a=%2F&b=1+2&c=%zz&d=?&e&alt=sse&=&&f=%20';
      await send({ path: `/v1/models?${query}` });
      assert.equal(gateway.seen[0]?.path, `${mount.prefix}/v1/models`);
      assert.equal(gateway.seen[0]?.query, query);
    },
  },
  {
    name: 'the root of the mount reaches the gateway',
    async run({ send, gateway, mount }) {
      await send({ path: '/' });
      assert.equal(gateway.seen[0]?.path, `${mount.prefix}/`);
    },
  },
  {
    name: 'every method reaches the gateway, and is what the caller sent',
    async run({ send, gateway }) {
      const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
      for (const method of methods) {
        gateway.answer = () => toReply(200, 'ok');
        assert.equal((await send({ method, path: '/v1/files' })).status, 200, method);
      }
      assert.deepEqual(
        gateway.seen.map((request) => request.method),
        methods,
      );
    },
  },
  {
    name: 'headers reach the gateway under lower-case names with their values unchanged',
    async run({ send, gateway }) {
      const headers = {
        authorization: 'Bearer hg_x',
        'anthropic-beta': 'a-1,b-2',
        'x-empty': '',
        'x-latin': 'caf\xe9',
      };
      await send({ path: '/v1/models', headers });
      const seen = gateway.seen[0]?.headers ?? {};
      for (const [name, value] of Object.entries(headers)) assert.equal(seen[name], value, name);
    },
  },
  {
    name: 'the address of the peer and the lack of encryption reach the gateway',
    exempt: (mount) => (mount.overFetch ? 'a Request does not say where it came from' : undefined),
    async run({ send, gateway }) {
      let address: string | undefined;
      gateway.answer = (request) => {
        address = request.remoteAddress;
        return toReply(200, 'ok');
      };
      await send({ path: '/v1/models' });
      assert.match(address ?? '', /127\.0\.0\.1$/);
      assert.equal(gateway.seen[0]?.secure, false);
    },
  },
  {
    name: 'a path that is written in a tricky way reaches the gateway as it is, or is refused',
    exempt: (mount) => needsHttp1(mount) ?? normalises(mount),
    async run({ talk, gateway, mount }) {
      for (const path of trickyPaths) {
        gateway.reset();
        gateway.answer = () => toReply(299, 'seen');
        const raw = `GET ${mount.prefix}${path}?q=%2e HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
        const received = await talk(Buffer.from(raw, 'latin1'));
        if (mayRefuse(mount, path) && gateway.seen.length === 0) {
          assert.match(received, /^HTTP\/1\.1 40[04] /, path);
          continue;
        }
        assert.match(received, /^HTTP\/1\.1 299 /, path);
        assert.equal(gateway.seen[0]?.path, mount.prefix + path);
        assert.equal(gateway.seen[0]?.query, 'q=%2e');
      }
    },
  },
  {
    name: 'a tricky path over a Request is never read as one the caller did not write',
    exempt: (mount) => (mount.overFetch ? undefined : 'the raw path is checked instead'),
    async run({ talk, gateway, mount }) {
      for (const path of trickyPaths) {
        gateway.reset();
        gateway.answer = () => toReply(299, 'seen');
        const raw = `GET ${mount.prefix}${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
        const received = await talk(Buffer.from(raw, 'latin1'));
        if (gateway.seen.length === 0) assert.match(received, /^HTTP\/1\.1 40[04] /, path);
        else assert.equal(gateway.seen[0]?.path, new URL(`http://a${mount.prefix}${path}`).pathname);
      }
    },
  },
];
