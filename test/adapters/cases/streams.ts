import assert from 'node:assert/strict';
import { type AdapterCase, needsHttp1 } from '../support/case.ts';
import { readAll, until } from '../support/client.ts';
import { createGate, ScriptedBody, toReply } from '../support/stub-gateway.ts';

const sse = { 'content-type': 'text/event-stream' };
const block = Buffer.alloc(64 * 1024, 'x');
/** Far more than all buffers between a producer and a client that does not read. */
const manyBlocks = 1_600;

/** Waits until a producer has come to rest; a producer that does not is cut off by `most`. */
async function restOf(body: ScriptedBody, most: number): Promise<number> {
  for (let last = -1; ; ) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    if (body.pulls === last || body.pulls >= most) return body.pulls;
    last = body.pulls;
  }
}

const waitsInItsServer: AdapterCase['exempt'] = (mount) =>
  mount.overFetch ? 'how long a Response may wait is the business of its server' : undefined;

export const streamCases: readonly AdapterCase[] = [
  {
    name: 'the first chunk reaches the caller before the last one is produced',
    async run({ opened, gateway }) {
      const gate = createGate();
      const body = new ScriptedBody(async (pull) => {
        if (pull === 1) await gate.opened;
        return pull < 2 ? Buffer.from(`data: ${pull}\n\n`) : undefined;
      });
      gateway.answer = () => toReply(200, body, sse);
      const reply = await opened({ path: '/v1/chat/completions' });
      let received = '';
      reply.stream.on('data', (chunk) => {
        received += chunk;
      });
      await until(() => received === 'data: 0\n\n', 'the first chunk came');
      gate.open();
      await until(() => reply.stream.readableEnded, 'the stream ended');
      assert.equal(received, 'data: 0\n\ndata: 1\n\n');
      reply.leave();
    },
  },
  {
    name: 'the head of a stream reaches the caller before its first chunk is produced',
    async run({ opened, gateway }) {
      const gate = createGate();
      const body = new ScriptedBody(async (pull) => {
        await gate.opened;
        return pull < 1 ? Buffer.from('late') : undefined;
      });
      gateway.answer = () => toReply(200, body, { ...sse, 'x-request-id': 'req_1' });
      const reply = await opened({ path: '/v1/chat/completions' });
      assert.equal(reply.status, 200);
      assert.equal(reply.headers['x-request-id'], 'req_1');
      gate.open();
      const rest = await readAll(reply.stream);
      assert.equal(rest.body.toString(), 'late');
      assert.ok(rest.whole);
      reply.leave();
    },
  },
  {
    name: 'a stream of many chunks reaches the caller whole and in order',
    async run({ send, gateway }) {
      const parts = Array.from({ length: 2_000 }, (_, index) => `data: {"index":${index}}\n\n`);
      gateway.answer = () =>
        toReply(
          200,
          new ScriptedBody((pull) => (pull < 2_000 ? Buffer.from(parts[pull] ?? '') : undefined)),
          sse,
        );
      const reply = await send({ path: '/v1/chat/completions' });
      assert.equal(reply.body.toString(), parts.join(''));
      assert.ok(reply.whole);
    },
  },
  {
    name: 'a caller who does not read pauses the producer, and reading resumes it',
    async run({ opened, gateway }) {
      const body = new ScriptedBody((pull) => (pull < manyBlocks ? block : undefined));
      gateway.answer = () => toReply(200, body);
      const reply = await opened({ path: '/v1/files' });
      const paused = await restOf(body, manyBlocks);
      assert.ok(
        paused < manyBlocks / 2,
        `${paused} of ${manyBlocks} blocks were pulled although nobody reads`,
      );
      let received = 0;
      reply.stream.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      await until(() => received === manyBlocks * block.length, 'everything was read');
      assert.equal(body.pulls, manyBlocks + 1);
      assert.equal(body.returns, 0);
      reply.leave();
    },
  },
  {
    name: 'a caller who does not read for too long is disconnected, and the producer is told',
    limits: { writeTimeoutMs: 150 },
    exempt: waitsInItsServer,
    async run({ opened, gateway }) {
      const body = new ScriptedBody((pull) => (pull < manyBlocks ? block : undefined));
      gateway.answer = () => toReply(200, body);
      const reply = await opened({ path: '/v1/files' });
      await until(() => body.returns === 1, 'the producer was told');
      assert.ok(body.pulls < manyBlocks);
      assert.equal(gateway.seen[0]?.signal.aborted, true);
      reply.leave();
    },
  },
  {
    name: 'a caller who does not read a large reply of bytes is disconnected as well',
    limits: { writeTimeoutMs: 150 },
    exempt: waitsInItsServer,
    async run({ opened, gateway }) {
      gateway.answer = () => toReply(200, Buffer.alloc(manyBlocks * block.length));
      const reply = await opened({ path: '/v1/files' });
      await until(() => gateway.seen[0]?.signal.aborted === true, 'the caller was given up');
      reply.leave();
    },
  },
  {
    name: 'a stream that breaks after its first chunk does not end like a whole one',
    async run({ opened, gateway }) {
      const gate = createGate();
      const body = new ScriptedBody(async (pull) => {
        if (pull === 0) return Buffer.from('data: 0\n\n');
        await gate.opened;
        throw new Error('the upstream broke');
      });
      gateway.answer = () => toReply(200, body, sse);
      const reply = await opened({ path: '/v1/chat/completions' });
      await until(() => reply.stream.readableLength > 0, 'the first chunk came');
      gate.open();
      const rest = await readAll(reply.stream);
      assert.equal(rest.whole, false);
      assert.ok(!rest.body.includes('broke'));
      reply.leave();
    },
  },
  {
    name: 'a stream that breaks before its first chunk does not end like a whole one',
    async run({ send, gateway }) {
      gateway.answer = () =>
        toReply(
          200,
          new ScriptedBody(() => {
            throw new Error('the upstream broke');
          }),
          sse,
        );
      const reply = await send({ path: '/v1/chat/completions' }).catch(() => undefined);
      assert.ok(reply === undefined || !reply.whole || reply.status >= 500);
      assert.ok(reply === undefined || !reply.body.includes('broke'));
    },
  },
  {
    name: 'a broken stream to a caller of HTTP/1.0 ends in a reset, since only that tells it from a whole one',
    exempt: (mount) =>
      needsHttp1(mount) ??
      (mount.overFetch ? 'how a broken Response ends is the business of its server' : undefined),
    async run({ converse, gateway, mount }) {
      const gate = createGate();
      const body = new ScriptedBody(async (pull) => {
        if (pull === 0) return Buffer.from('data: 0\n\n');
        await gate.opened;
        throw new Error('the upstream broke');
      });
      gateway.answer = () => toReply(200, body, sse);
      const conversation = converse(`GET ${mount.prefix}/v1/x HTTP/1.0\r\nHost: a\r\n\r\n`);
      let error: NodeJS.ErrnoException | undefined;
      conversation.socket.on('error', (thrown) => {
        error = thrown;
      });
      await until(() => conversation.received.includes('data: 0'), 'the first chunk came');
      gate.open();
      await until(() => conversation.closed, 'the connection ended');
      assert.equal(error?.code, 'ECONNRESET');
    },
  },
];
