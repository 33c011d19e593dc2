import assert from 'node:assert/strict';
import { type AdapterCase, needsHttp1 } from '../support/case.ts';
import { until } from '../support/client.ts';
import { toReply } from '../support/stub-gateway.ts';

const binary = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
const large = Buffer.alloc(1024 * 1024, binary);
const octets = { 'content-type': 'application/octet-stream' };
const json = { 'content-type': 'application/json' };
const code = (body: Buffer): string => JSON.parse(body.toString()).error.code;

const bytesCase = (name: string, body: Uint8Array | readonly Uint8Array[]): AdapterCase => ({
  name,
  async run({ send }) {
    const reply = await send({ method: 'POST', path: '/v1/files', headers: octets, body });
    assert.equal(reply.status, 200);
    const sent = body instanceof Uint8Array ? body : Buffer.concat(body);
    assert.ok(reply.body.equals(sent), `${reply.body.length} bytes came back of ${sent.length}`);
  },
});

export const bodyCases: readonly AdapterCase[] = [
  bytesCase('a binary body reaches the gateway byte for byte', binary),
  bytesCase('an empty body reaches the gateway as zero bytes', Buffer.alloc(0)),
  bytesCase('a body of 1 MB with a length reaches the gateway byte for byte', large),
  bytesCase('a body of 1 MB in chunks reaches the gateway byte for byte', [
    large.subarray(0, 1),
    large.subarray(1, 100_000),
    large.subarray(100_000),
  ]),
  {
    name: 'a request without a body reads as zero bytes',
    async run({ send }) {
      const reply = await send({ path: '/v1/models' });
      assert.equal(reply.status, 200);
      assert.equal(reply.body.length, 0);
    },
  },
  {
    name: 'a JSON body reaches the gateway byte for byte',
    exempt: (mount) => (mount.losesJsonBytes ? 'the host has parsed it and dropped the bytes' : undefined),
    async run({ send }) {
      const body = '{ "a" : 1e2,\n"b":"\\u00e9 é", "c": 12345678901234567890 }';
      const reply = await send({ method: 'POST', path: '/v1/chat/completions', headers: json, body });
      assert.equal(reply.body.toString(), body);
    },
  },
  {
    name: 'a JSON body reaches the gateway with its meaning, whoever parsed it before',
    async run({ send }) {
      const value = { model: 'm', messages: [{ role: 'user', content: 'Grüße 🌍' }] };
      const reply = await send({ method: 'POST', path: '/v1/x', headers: json, body: JSON.stringify(value) });
      assert.equal(reply.status, 200);
      assert.deepEqual(JSON.parse(reply.body.toString()), value);
    },
  },
  {
    name: 'a body that arrives after the headers, in pieces, is waited for',
    exempt: needsHttp1,
    async run({ converse, gateway, mount }) {
      const conversation = converse(
        `POST ${mount.prefix}/v1/x HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\n`,
      );
      await until(() => gateway.seen.length === 1, 'the gateway had the request');
      conversation.socket.write('abc');
      // apart on purpose; whether they arrive apart decides nothing
      await new Promise((resolve) => setTimeout(resolve, 20));
      conversation.socket.write('def');
      await until(() => conversation.received.includes('abcdef'), 'the body came back');
      conversation.socket.destroy();
    },
  },
  {
    name: 'a body that says it is too large is refused with 413 before it is read',
    async run({ send, gateway }) {
      gateway.answer = async (request) => toReply(200, await request.readBody(1_000));
      const reply = await send({ method: 'POST', path: '/v1/x', headers: octets, body: large });
      assert.equal(reply.status, 413);
      assert.equal(code(reply.body), 'body_too_large');
      assert.ok(reply.whole);
    },
  },
  {
    name: 'a body in chunks is refused with 413 as soon as it is too large',
    async run({ send, gateway }) {
      gateway.answer = async (request) => toReply(200, await request.readBody(1_000));
      const body = [large.subarray(0, 1_000), large.subarray(0, 1), large];
      const reply = await send({ method: 'POST', path: '/v1/x', headers: octets, body });
      assert.equal(reply.status, 413);
      assert.equal(code(reply.body), 'body_too_large');
    },
  },
  {
    name: 'a body in chunks that come one by one is refused with 413 when they are too large together',
    exempt: needsHttp1,
    async run({ converse, gateway, mount }) {
      gateway.answer = async (request) => toReply(200, await request.readBody(1_000));
      const piece = `1f5\r\n${'x'.repeat(501)}\r\n`;
      const conversation = converse(
        `POST ${mount.prefix}/v1/x HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      await until(() => gateway.seen.length === 1, 'the gateway had the request');
      conversation.socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 20));
      conversation.socket.write(`${piece}0\r\n\r\n`);
      await until(() => conversation.received.includes('413'), 'it was refused');
      conversation.socket.destroy();
    },
  },
  {
    name: 'a body of exactly the permitted size passes, and one byte more does not',
    async run({ send, gateway }) {
      gateway.answer = async (request) => toReply(200, await request.readBody(1_000));
      for (const [length, status] of [
        [1_000, 200],
        [1_001, 413],
      ] as const) {
        const body = large.subarray(0, length);
        assert.equal((await send({ method: 'POST', path: '/v1/x', headers: octets, body })).status, status);
        assert.equal(
          (await send({ method: 'POST', path: '/v1/x', headers: octets, body: [body] })).status,
          status,
        );
      }
    },
  },
  {
    name: 'a connection whose body was refused is not used again',
    limits: { discardTimeoutMs: 100 },
    exempt: needsHttp1,
    async run({ talk, gateway, mount }) {
      gateway.answer = async (request) => toReply(200, await request.readBody(1_000));
      const received = await talk(
        `POST ${mount.prefix}/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(1_000)}`,
      );
      assert.match(received, /^HTTP\/1\.1 413 /);
    },
  },
  {
    name: 'a refusal reaches a caller who is still sending a body that nobody reads',
    async run({ send, gateway }) {
      gateway.answer = () => toReply(401, 'no');
      const reply = await send({ method: 'POST', path: '/v1/x', headers: octets, body: large });
      assert.equal(reply.status, 401);
      assert.equal(reply.body.toString(), 'no');
    },
  },
  {
    name: 'a caller who goes away while sending the body is told apart from a bad body',
    async run({ open, gateway }) {
      const sending = open({
        method: 'POST',
        path: '/v1/x',
        headers: octets,
        body: ['abc'],
        unfinished: true,
      });
      await until(() => gateway.seen.length === 1, 'the gateway had the request');
      sending.leave();
      await until(() => gateway.errors.length === 1, 'reading the body failed');
      assert.deepEqual(gateway.errors, ['caller_gone']);
      assert.equal(gateway.seen[0]?.signal.aborted, true);
    },
  },
  {
    name: 'a body that is shorter than it said is a caller who is gone',
    exempt: needsHttp1,
    async run({ converse, gateway, mount }) {
      const { socket } = converse(
        `POST ${mount.prefix}/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc`,
      );
      await until(() => gateway.seen.length === 1, 'the gateway had the request');
      socket.end();
      await until(() => gateway.errors.length === 1, 'reading the body failed');
      assert.deepEqual(gateway.errors, ['caller_gone']);
    },
  },
  {
    name: 'a body that is longer than it said never runs into the reply of another request',
    exempt: needsHttp1,
    async run({ talk, gateway, mount }) {
      const received = await talk(
        `POST ${mount.prefix}/v1/x HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabcGARBAGE / x\r\n\r\n`,
      );
      assert.equal(gateway.seen.length, 1);
      assert.match(received, /^HTTP\/1\.1 (?:200|400) /);
      assert.ok(!received.includes('GARBAGE'));
    },
  },
  {
    name: 'a body that does not arrive in time is refused with 408',
    limits: { bodyTimeoutMs: 100 },
    async run({ opened, gateway }) {
      const reply = await opened({
        method: 'POST',
        path: '/v1/x',
        headers: octets,
        body: ['abc'],
        unfinished: true,
      });
      assert.equal(reply.status, 408);
      assert.deepEqual(gateway.errors, ['body_timeout']);
      reply.leave();
    },
  },
  {
    name: 'a compressed body is refused with 415',
    async run({ send, gateway }) {
      const headers = { ...octets, 'content-encoding': 'gzip' };
      const reply = await send({ method: 'POST', path: '/v1/x', headers, body: 'not even gzip' });
      assert.equal(reply.status, 415);
      assert.deepEqual(gateway.errors, ['unsupported_media_type']);
    },
  },
  {
    name: 'a content type that no framework knows reaches the gateway all the same',
    async run({ send, gateway, mount }) {
      const types = [
        'application/json\t',
        ' text/plain',
        'garbage',
        'application/json; charset=;;',
        'multipart/form-data',
      ];
      for (const type of types) {
        // HTTP/2 forbids a value that begins or ends with a space, and the field does not arrive
        if (mount.protocol === 'http2' && type !== type.trim()) continue;
        gateway.reset();
        const reply = await send({
          method: 'POST',
          path: '/v1/x',
          headers: { 'content-type': type },
          body: '{"a":1}',
        });
        assert.equal(reply.status, 200, type);
        assert.equal(reply.body.toString(), '{"a":1}', type);
        assert.equal(gateway.seen[0]?.headers['content-type'], type.trim(), type);
      }
    },
  },
];
