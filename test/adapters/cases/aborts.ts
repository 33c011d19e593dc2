import assert from 'node:assert/strict';
import type { GatewayRequest } from 'headgate';
import { type AdapterCase, needsHttp1 } from '../support/case.ts';
import { until } from '../support/client.ts';
import { createGate, echo, partsBody, ScriptedBody, toReply } from '../support/stub-gateway.ts';

const never = new Promise<undefined>(() => {});

/** Milliseconds a leave may take to be seen on a busy machine: nothing else would tell of it before a minute is over. */
const promptMs = 30_000;

export const abortCases: readonly AdapterCase[] = [
  {
    name: 'a caller who leaves during a stream aborts the request and stops the producer, also while it waits',
    async run({ opened, gateway }) {
      const body = new ScriptedBody((pull) => (pull === 0 ? Buffer.from('data: 0\n\n') : never));
      let aborted = false;
      gateway.answer = (request) => {
        request.signal.addEventListener('abort', () => {
          aborted = true;
        });
        return toReply(200, body, { 'content-type': 'text/event-stream' });
      };
      const reply = await opened({ path: '/v1/chat/completions' });
      await until(() => reply.stream.readableLength > 0 && body.pulls === 2, 'the stream was under way');
      assert.equal(aborted, false);
      reply.leave();
      await until(() => aborted && body.returns > 0, 'the producer was told', promptMs);
      assert.equal(body.returns, 1);
    },
  },
  {
    name: 'a caller who leaves while the producer is paused aborts the request and stops the producer',
    async run({ opened, gateway }) {
      const block = Buffer.alloc(64 * 1024);
      const body = new ScriptedBody((pull) => (pull < 1_600 ? block : undefined));
      gateway.answer = () => toReply(200, body);
      const reply = await opened({ path: '/v1/files' });
      await until(() => body.pulls > 0, 'the stream was under way');
      reply.leave();
      await until(
        () => body.returns > 0 && gateway.seen[0]?.signal.aborted === true,
        'the producer was told',
        promptMs,
      );
      assert.equal(body.returns, 1);
    },
  },
  {
    name: 'a caller who leaves before the reply aborts the request, and a reply that comes later is stopped',
    async run({ open, gateway }) {
      const gate = createGate();
      const body = partsBody('too late');
      let aborted = false;
      gateway.answer = async (request) => {
        request.signal.addEventListener('abort', () => {
          aborted = true;
        });
        await gate.opened;
        return toReply(200, body);
      };
      const sending = open({ path: '/v1/chat/completions' });
      await until(() => gateway.seen.length === 1, 'the gateway had the request');
      sending.leave();
      await until(() => aborted, 'the request was aborted', promptMs);
      gate.open();
      await until(() => body.returns === 1, 'the reply was stopped');
      assert.equal(body.pulls, 0);
    },
  },
  {
    name: 'a caller who leaves is told of to who asked to be called, once, and to nobody who took that back',
    async run({ open, gateway }) {
      const gate = createGate();
      const calls: string[] = [];
      const ask = (request: GatewayRequest, name: string) =>
        // adapters that have a signal anyway offer no such call
        request.whenGone?.(() => calls.push(name)) ?? listen(request.signal, () => calls.push(name));
      let late = (): unknown => undefined;
      gateway.answer = async (request) => {
        ask(request, 'kept');
        ask(request, 'taken back')();
        ask(request, 'kept as well');
        late = () => ask(request, 'late');
        await gate.opened;
        return toReply(200, 'too late');
      };
      const sending = open({ path: '/v1/chat/completions' });
      await until(() => gateway.seen.length === 1, 'the gateway had the request');
      sending.leave();
      await until(() => calls.length === 2, 'both were called', promptMs);
      late();
      assert.deepEqual(calls, ['kept', 'kept as well', 'late']);
      gate.open();
    },
  },
  {
    name: 'a signal that is asked for only after the caller left is aborted already',
    async run({ open, gateway }) {
      const sending = open({ method: 'POST', path: '/v1/x', body: ['abc'], unfinished: true });
      await until(() => gateway.seen.length === 1, 'the gateway had the request');
      sending.leave();
      await until(() => gateway.errors.length === 1, 'reading the body failed', promptMs);
      assert.equal(gateway.seen[0]?.signal.aborted, true);
    },
  },
  {
    name: 'a reply that is whole does not abort the request',
    async run({ send, gateway }) {
      for (const body of ['bytes', partsBody('a', 'b')]) {
        gateway.reset();
        let aborted = false;
        gateway.answer = async (request) => {
          request.signal.addEventListener('abort', () => {
            aborted = true;
          });
          await echo(request);
          return toReply(200, body);
        };
        const reply = await send({ method: 'POST', path: '/v1/x', body: 'abc' });
        assert.ok(reply.whole);
        // the connection has been closed by then, which is when a wrong adapter would take the caller for gone
        await new Promise((resolve) => setTimeout(resolve, 30));
        assert.equal(aborted, false);
        if (body instanceof ScriptedBody) assert.equal(body.returns, 0);
      }
    },
  },
  {
    name: 'when a connection dies, the requests waiting in its pipeline are aborted too',
    exempt: needsHttp1,
    async run({ converse, gateway, mount }) {
      let aborted = 0;
      gateway.answer = async (request) => {
        request.signal.addEventListener('abort', () => {
          aborted++;
        });
        return never as never;
      };
      const line = `GET ${mount.prefix}/v1/x HTTP/1.1\r\nHost: a\r\n\r\n`;
      const { socket } = converse(line + line);
      await until(() => gateway.seen.length === 2, 'the gateway had both requests');
      socket.destroy();
      await until(() => aborted === 2, 'both were aborted', promptMs);
    },
  },
];

function listen(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) listener();
  else signal.addEventListener('abort', listener);
  return () => signal.removeEventListener('abort', listener);
}
