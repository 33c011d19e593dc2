import assert from 'node:assert/strict';
import { type AdapterCase, needsHttp1 } from '../support/case.ts';
import { hostCookies } from '../support/mounts.ts';
import { partsBody, ScriptedBody, toReply } from '../support/stub-gateway.ts';

const length = (body: string | undefined): string => String(Buffer.byteLength(body ?? ''));

export const replyCases: readonly AdapterCase[] = [
  {
    name: 'status, headers and bytes of a reply reach the caller',
    async run({ send, gateway }) {
      gateway.answer = () =>
        toReply(429, 'slow down', { 'retry-after': '7', 'x-request-id': 'req_1', 'x-none': undefined });
      const reply = await send({ path: '/v1/models' });
      assert.equal(reply.status, 429);
      assert.equal(reply.body.toString(), 'slow down');
      assert.equal(reply.headers['retry-after'], '7');
      assert.equal(reply.headers['x-request-id'], 'req_1');
      assert.equal(reply.headers['content-length'], '9');
      assert.ok(!('x-none' in reply.headers));
    },
  },
  {
    name: 'repeated set-cookie stays apart, behind the cookies of the host',
    async run({ send, gateway, mount }) {
      const own = ['a=1; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'b=2'];
      const before = mount.setsHeaders ? hostCookies : [];
      for (const body of ['bytes', partsBody('stream')]) {
        gateway.answer = () => toReply(200, body, { 'set-cookie': own });
        assert.deepEqual((await send({ path: '/v1/models' })).headers['set-cookie'], [...before, ...own]);
      }
      gateway.answer = () => toReply(200, 'x', { 'set-cookie': 'c=3' });
      assert.deepEqual((await send({ path: '/v1/models' })).headers['set-cookie'], [...before, 'c=3']);
      gateway.answer = () => toReply(200, 'x');
      const none = (await send({ path: '/v1/models' })).headers['set-cookie'];
      assert.deepEqual(none ?? [], before);
    },
  },
  {
    name: 'headers that the host has set are kept, and ours win',
    exempt: (mount) => (mount.setsHeaders ? undefined : 'the host of this mount sets none'),
    async run({ send, gateway }) {
      assert.equal((await send({ path: '/v1/models' })).headers['x-from-host'], 'yes');
      gateway.answer = () => toReply(200, 'x', { 'x-from-host': 'no' });
      assert.equal((await send({ path: '/v1/models' })).headers['x-from-host'], 'no');
      gateway.answer = () => toReply(200, partsBody('a', 'b'), { 'x-from-host': 'no' });
      const reply = await send({ path: '/v1/models' });
      assert.equal(reply.headers['x-from-host'], 'no');
      assert.equal(reply.body.toString(), 'ab');
    },
  },
  {
    name: 'the reply to HEAD has the headers of a reply and no body',
    async run({ send, gateway }) {
      for (const body of ['hello', partsBody('hello')]) {
        gateway.answer = () => toReply(200, body, { 'x-request-id': 'req_1' });
        const reply = await send({ method: 'HEAD', path: '/' });
        assert.equal(gateway.seen.at(-1)?.method, 'HEAD');
        assert.equal(reply.status, 200);
        assert.equal(reply.headers['x-request-id'], 'req_1');
        assert.equal(reply.body.length, 0);
      }
    },
  },
  {
    name: 'a stream that is not sent, for HEAD or 204, is told so',
    async run({ send, gateway }) {
      for (const [method, status] of [
        ['HEAD', 200],
        ['GET', 204],
      ] as const) {
        const body = partsBody('never');
        gateway.answer = () => toReply(status, body);
        const reply = await send({ method, path: '/' });
        assert.equal(reply.status, status);
        assert.equal(reply.body.length, 0);
        assert.equal(body.returns, 1);
      }
    },
  },
  {
    name: 'an empty reply, and one of 2 MB, reach the caller byte for byte',
    async run({ send, gateway }) {
      for (const size of [0, 1, 65_536, 2 * 1024 * 1024]) {
        const bytes = Buffer.alloc(size, 'headgate');
        gateway.answer = () => toReply(200, bytes);
        const reply = await send({ path: '/v1/files' });
        assert.ok(reply.body.equals(bytes), `${reply.body.length} bytes of ${size}`);
        assert.equal(reply.headers['content-length'], String(size));
        assert.ok(reply.whole);
      }
    },
  },
  {
    name: 'a header value that can not be sent costs that header and not the reply',
    async run({ send, gateway, mount }) {
      for (const bad of ['a\r\nx-injected: 1', 'snow \u2603', 'nul \0']) {
        gateway.answer = () => toReply(200, 'fine', { 'x-bad': bad, 'x-good': 'yes', 'set-cookie': 'c=3' });
        const reply = await send({ path: '/v1/models' });
        assert.equal(reply.status, 200);
        assert.equal(reply.body.toString(), 'fine');
        assert.equal(reply.headers['x-good'], 'yes');
        assert.equal(reply.headers['x-bad'], undefined);
        assert.equal(reply.headers['x-injected'], undefined);
        assert.deepEqual(reply.headers['set-cookie'], [...(mount.setsHeaders ? hostCookies : []), 'c=3']);
      }
    },
  },
  {
    name: 'a header value in latin1 reaches the caller',
    async run({ send, gateway }) {
      gateway.answer = () => toReply(200, 'x', { 'x-latin': 'caf\xe9' });
      assert.equal((await send({ path: '/v1/models' })).headers['x-latin'], 'caf\xe9');
    },
  },
  {
    name: 'headers about the connection are left to the adapter',
    async run({ send, gateway }) {
      gateway.answer = () =>
        toReply(200, partsBody('a', 'b'), {
          'transfer-encoding': 'gzip',
          'keep-alive': 'timeout=999',
          upgrade: 'h2c',
        });
      const reply = await send({ path: '/v1/models' });
      assert.equal(reply.body.toString(), 'ab');
      assert.ok(reply.whole);
      assert.notEqual(reply.headers['transfer-encoding'], 'gzip');
      assert.notEqual(reply.headers['keep-alive'], 'timeout=999');
      assert.equal(reply.headers.upgrade, undefined);
    },
  },
  {
    name: 'a stream whose length is not what it said does not end like a whole one',
    exempt: (mount) =>
      needsHttp1(mount) ??
      (mount.overFetch ? 'the length of a Response is the business of its server' : undefined),
    async run({ send, gateway }) {
      const body = partsBody('abc');
      gateway.answer = () => toReply(200, body, { 'content-length': '10' });
      const reply = await send({ path: '/v1/models' }).catch(() => undefined);
      assert.ok(reply === undefined || !reply.whole);
      gateway.answer = () => toReply(200, partsBody('abc'), { 'content-length': length('abc') });
      const good = await send({ path: '/v1/models' });
      assert.ok(good.whole && good.body.toString() === 'abc');
    },
  },
  {
    name: 'a reply in a stream without any chunk is whole',
    async run({ send, gateway }) {
      gateway.answer = () => toReply(200, new ScriptedBody(() => undefined));
      const reply = await send({ path: '/v1/models' });
      assert.ok(reply.whole);
      assert.equal(reply.body.length, 0);
    },
  },
];
