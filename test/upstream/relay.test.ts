import * as fc from 'fast-check';
import { type ChunkReceiver, GatewayError, type Outcome } from 'headgate';
import { describe, expect, it } from 'vitest';
import { dialectByName } from '../../src/dialects/index.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { ChunkQueue } from '../../src/upstream/chunk-queue.ts';
import { createDrainer } from '../../src/upstream/drain.ts';
import type { Inspector } from '../../src/upstream/inspector.ts';
import { createJsonInspector, passingInspector } from '../../src/upstream/json-inspector.ts';
import { Relay, type RelayOptions, type RelaySource, type Rescuer } from '../../src/upstream/relay.ts';
import { createInspector } from './inspect.ts';

const delta = 'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n';
const end =
  'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n';
const text = (part: string) => Buffer.from(part);
const reported = { inputTokens: 3, outputTokens: 2, source: 'reported' };

/** A relay over a queue that the test fills. Every settlement of the outcome is counted. */
function createRelay(
  options: RelayOptions & Partial<Pick<RelaySource, 'first' | 'inspector' | 'passage'>> = {},
) {
  let cancelled = 0;
  const queue = new ChunkQueue({ pause() {}, resume() {}, cancel: () => cancelled++ });
  const { first, inspector = createInspector('openai-chat'), passage, ...others } = options;
  const relay = new Relay({ body: queue, chunks: queue, first, inspector, passage }, others);
  const outcomes: Outcome[] = [];
  void relay.outcome.then((outcome) => outcomes.push(outcome));
  return { queue, relay, outcomes, cancelled: () => cancelled };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function readAll(relay: Relay): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of relay) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function readByReceiver(relay: Relay, takesText = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const read: Uint8Array[] = [];
    const take = (bytes: Uint8Array) => {
      read.push(bytes);
      relay.read(receiver);
    };
    const receiver: ChunkReceiver = {
      chunk: take,
      text: takesText ? (latin1) => take(Buffer.from(latin1, 'latin1')) : undefined,
      end: () => resolve(Buffer.concat(read).toString()),
      fail: reject,
    };
    relay.read(receiver);
  });
}

describe('a relay', () => {
  it('lends large chunks that it has joined itself, once, and no other', async () => {
    const { queue, relay } = createRelay({ inspector: passingInspector });
    const next = async () => (await relay.next()).value as Uint8Array;
    const parts = [Buffer.alloc(10_000, 'a'), Buffer.alloc(10_000, 'b')];
    for (const part of parts) queue.push(part);
    const joined = await next();
    const giveBack = relay.lend(joined);
    expect(relay.lend(joined)).toBeUndefined();
    expect(joined.length).toBe(20_000);
    giveBack?.();
    giveBack?.();
    expect([joined.length, joined.buffer.byteLength]).toEqual([0, 0]);
    expect(parts.map(({ length }) => length)).toEqual([10_000, 10_000]);

    queue.push(Buffer.alloc(20_000, 'c'));
    expect(relay.lend(await next())).toBeUndefined();
    for (const part of ['d', 'e']) queue.push(text(part));
    expect(relay.lend(await next())).toBeUndefined();
  });

  it('lends no chunk that is looked at again when the body ends', async () => {
    const { queue, relay } = createRelay({
      inspector: createJsonInspector(dialectByName['openai-chat'], 1_000_000, true),
    });
    const reply = JSON.stringify({
      choices: [{ text: 'x'.repeat(30_000) }],
      usage: { prompt_tokens: 3, completion_tokens: 2 },
    });
    for (const part of [reply.slice(0, 20_000), reply.slice(20_000)]) queue.push(text(part));
    const { value } = await relay.next();
    relay.lend(value)?.();
    queue.end();
    await relay.next();
    expect(await relay.outcome).toMatchObject({ kind: 'complete', usage: reported });
  });

  it('does not keep what was read before', async () => {
    const queue = new ChunkQueue({ pause() {}, resume() {}, cancel() {} });
    const inspector = createInspector('openai-chat');
    const source: RelaySource = { body: queue, chunks: queue, inspector, first: text(delta) };
    const relay = new Relay(source);
    expect(source.first).toBeUndefined();
    expect((await relay.next()).value).toEqual(text(delta));
  });

  it('hands on what was read before first, then the rest, and settles as complete with usage and bytes', async () => {
    const { queue, relay, outcomes } = createRelay({ first: text(delta) });
    queue.push(text(delta));
    queue.push(text(end));
    queue.end();
    expect(await readAll(relay)).toBe(delta + delta + end);
    await turn();
    expect(outcomes).toEqual([
      { kind: 'complete', replyBytes: (delta + delta + end).length, usage: reported },
    ]);
    expect((await relay.next()).done).toBe(true);
  });

  it('gives a receiver what it gives an iterator: the same bytes, the same end, the same outcome', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 400 }), { maxLength: 6 }),
        fc.constantFrom('end', 'break', 'cut off'),
        fc.boolean(),
        async (cuts, how, hasFirst) => {
          const whole = delta + delta + (how === 'cut off' ? '' : end);
          const places = [
            ...new Set([0, ...cuts.map((cut) => Math.min(cut, whole.length)), whole.length]),
          ].sort((one, other) => one - other);
          const results = [];
          for (const read of [readAll, readByReceiver]) {
            const { queue, relay, outcomes } = createRelay(hasFirst ? { first: text(delta) } : {});
            const got = read(relay);
            for (let index = 1; index < places.length; index++) {
              queue.push(text(whole.slice(places[index - 1], places[index])));
              if (index % 2) await turn();
            }
            queue.end(how === 'break' ? new Error('connection reset') : undefined);
            results.push({ got: await got, outcomes: await turn().then(() => outcomes) });
          }
          expect(results[1]).toEqual(results[0]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('pulls from its source only when it is asked', async () => {
    let pulls = 0;
    const source = {
      async collect() {
        return { bytes: new Uint8Array(0), ended: true };
      },
      cancel() {},
      [Symbol.asyncIterator]: () => ({
        async next() {
          pulls++;
          return { done: false as const, value: text(delta) };
        },
      }),
    };
    const relay = new Relay({
      body: source,
      chunks: source[Symbol.asyncIterator](),
      first: undefined,
      inspector: createInspector('openai-chat'),
    });
    await turn();
    expect(pulls).toBe(0);
    await relay.next();
    await relay.next();
    expect(pulls).toBe(2);
    await relay.return();
    expect(pulls).toBe(2);
  });

  it('ends a stream that broke with an error event, settles as failed with what is known, and ends the source', async () => {
    const { queue, relay, outcomes, cancelled } = createRelay();
    queue.push(text(delta));
    queue.end(Object.assign(new Error('secret detail'), { code: 'ECONNRESET' }));
    const output = await readAll(relay);
    expect(output.startsWith(delta)).toBe(true);
    expect(output).toContain('"code":"upstream_unreachable"');
    expect(output).not.toContain('secret detail');
    await turn();
    expect(outcomes).toEqual([
      {
        kind: 'failed',
        errorCode: 'upstream_unreachable',
        replyBytes: output.length,
        usage: { inputTokens: 7, outputTokens: 1, source: 'estimated' },
      },
    ]);
    expect(cancelled()).toBe(0);
  });

  it('is complete when its connection breaks behind the end of the stream, or of the document', async () => {
    const stream = createRelay();
    stream.queue.push(text(delta));
    stream.queue.push(text(end));
    stream.queue.end(new Error('reset'));
    expect(await readAll(stream.relay)).toBe(delta + end);
    expect(await stream.relay.outcome).toMatchObject({ kind: 'complete', usage: reported });

    const inspector = createJsonInspector(dialectByName['openai-chat'], 1_000, true);
    const whole = createRelay({ inspector });
    whole.queue.push(text('{"id":"x"}'));
    whole.queue.end(new Error('reset'));
    expect(await readAll(whole.relay)).toBe('{"id":"x"}');
    expect(await whole.relay.outcome).toMatchObject({ kind: 'complete' });

    // of audio nobody but the connection knows where it ends
    const audio = createRelay({ inspector: passingInspector });
    audio.queue.push(text('RIFF'));
    audio.queue.end(new Error('reset'));
    await expect(readAll(audio.relay)).rejects.toThrow();
    expect(await audio.relay.outcome).toMatchObject({ kind: 'failed' });
  });

  it('ends a stream without its terminator with an error event', async () => {
    const { queue, relay, outcomes } = createRelay();
    queue.push(text(delta));
    queue.end();
    expect(await readAll(relay)).toContain('"code":"stream_incomplete"');
    await turn();
    expect(outcomes).toMatchObject([{ kind: 'failed', errorCode: 'stream_incomplete' }]);
  });

  it('tells a rescuer of all that goes out, by iterator and by receiver, of bytes and of text', async () => {
    for (const takesText of [false, true]) {
      let told = '';
      const rescuer: Rescuer = {
        delivered(part) {
          told += typeof part === 'string' ? part : Buffer.from(part).toString('latin1');
        },
        rescue: async () => undefined,
        giveUp: () => undefined,
      };
      const spoken = delta.replace('"x"', '"Füchse 🦊"');
      const byReceiver = createRelay({ first: text(spoken), rescuer });
      const got = readByReceiver(byReceiver.relay, takesText);
      // the second packet is what comes together, and so goes on as text where that is taken
      for (const packet of [[spoken], [delta, spoken.slice(0, 70), spoken.slice(70)], [end]]) {
        for (const part of packet) byReceiver.queue.push(text(part));
        await turn();
      }
      byReceiver.queue.end();
      const whole = spoken + spoken + delta + spoken + end;
      expect(await got).toBe(whole);
      expect(Buffer.from(told, 'latin1').toString()).toBe(whole);
    }
  });

  it.each(['goes on', 'finds nobody', 'is interrupted'] as const)(
    'gives up the place of what broke before a rescuer looks for another, once: it %s',
    async (how) => {
      const ended: string[] = [];
      const passageOf = (name: string) =>
        ({
          health: { broke: () => undefined, end: () => ended.push(name) },
          observed: { onEnd: () => undefined },
          record: {},
        }) as unknown as NonNullable<RelaySource['passage']>;
      const rescuer: Rescuer = {
        delivered: () => undefined,
        async rescue(_, broken) {
          expect(ended).toEqual(['first']);
          expect(broken.passage).toBeDefined();
          if (how === 'is interrupted') relay.interrupt(new GatewayError('shutting_down', 'The end.'));
          if (how === 'finds nobody') return undefined;
          const queue = new ChunkQueue({ pause() {}, resume() {}, cancel() {} });
          queue.push(text(end));
          queue.end();
          const inspector = createInspector('openai-chat');
          return { body: queue, chunks: queue, inspector, first: undefined, passage: passageOf('second') };
        },
        giveUp: () => undefined,
      };
      const { queue, relay } = createRelay({ rescuer, passage: passageOf('first') });
      queue.end(new Error('connection reset'));
      await readAll(relay);
      expect(ended).toEqual(how === 'finds nobody' ? ['first'] : ['first', 'second']);
    },
  );

  it('hands the bytes on that came, and no copy of them, although a rescuer is told', async () => {
    const { queue, relay } = createRelay({
      rescuer: { delivered: () => undefined, rescue: async () => undefined, giveUp: () => undefined },
    });
    const given = text(delta);
    queue.push(given);
    expect((await relay.next()).value).toBe(given);
  });

  it('throws where the protocol has no way to say that it broke, and settles all the same', async () => {
    const silent: Inspector = {
      chunk: (bytes) => bytes,
      end: () => ({ rest: undefined, error: new GatewayError('upstream_invalid_response', 'cut off') }),
      usage: () => undefined,
      errorTail: () => undefined,
      hasBegun: true,
      isWhole: false,
      failure: undefined,
    };
    const { queue, relay, outcomes } = createRelay({ inspector: silent });
    queue.push(text('{"half":'));
    queue.end();
    await expect(readAll(relay)).rejects.toMatchObject({ code: 'upstream_invalid_response' });
    expect(outcomes).toEqual([{ kind: 'failed', errorCode: 'upstream_invalid_response', replyBytes: 8 }]);
    expect((await relay.next()).done).toBe(true);
  });

  it('ends the source when the inspector refuses what it sees', async () => {
    const { queue, relay, outcomes, cancelled } = createRelay({
      inspector: createInspector('openai-chat', { maxEventBytes: 100 }),
    });
    queue.push(text(`data: ${'x'.repeat(200)}`));
    expect(await readAll(relay)).toContain('"code":"upstream_invalid_response"');
    expect(cancelled()).toBe(1);
    await turn();
    expect(outcomes).toHaveLength(1);
  });

  it('ends the source and settles as aborted when the caller leaves, with what had been used', async () => {
    const { queue, relay, outcomes, cancelled } = createRelay();
    queue.push(text(delta));
    await relay.next();
    await relay.return();
    await relay.return();
    expect(cancelled()).toBe(1);
    expect(outcomes).toEqual([
      {
        kind: 'aborted',
        errorCode: 'caller_gone',
        replyBytes: delta.length,
        usage: { inputTokens: 7, outputTokens: 1, source: 'estimated' },
      },
    ]);
  });

  it('does not drain, cancel or settle again when the caller leaves after the end', async () => {
    let drains = 0;
    const { queue, relay, outcomes, cancelled } = createRelay({
      drain() {
        drains++;
        return true;
      },
    });
    queue.push(text(end));
    queue.end();
    await readAll(relay);
    await relay.return();
    await turn();
    expect([outcomes.length, drains, cancelled()]).toEqual([1, 0, 0]);
  });

  it('lets a pending next end when the caller leaves, drained or not', async () => {
    for (const drains of [false, true]) {
      const runtime = createVirtualRuntime();
      const drainer = createDrainer(runtime);
      const options = { maxConcurrent: 1, maxMs: 1_000, maxBytes: 10_000 };
      const { queue, relay, outcomes } = createRelay({
        drain: drains ? (rest) => drainer.take(rest, options) : undefined,
      });
      let ended = false;
      void relay.next().then(
        () => {
          ended = true;
        },
        () => {
          ended = true;
        },
      );
      await turn();
      await relay.return();
      queue.push(text(end));
      queue.end();
      for (let tries = 0; tries < 50 && !(ended && outcomes.length > 0); tries++) await turn();
      expect([drains, ended, outcomes.length]).toEqual([drains, true, 1]);
    }
  });

  it('settles exactly once in every interleaving of pushes, ends, errors, reads and returns', async () => {
    const step = fc.constantFrom('push', 'push', 'next', 'next', 'return', 'end', 'error', 'turn', 'signal');
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    await fc.assert(
      fc.asyncProperty(
        fc.array(step as fc.Arbitrary<string>, { maxLength: 14 }),
        fc.boolean(),
        fc.boolean(),
        async (steps, drains, dropUsage) => {
          const drainer = createDrainer(createVirtualRuntime());
          const inspector = createInspector('openai-chat', { dropUsage });
          let usages = 0;
          const usageOf = inspector.usage.bind(inspector);
          const counting = Object.assign(inspector, {
            usage() {
              usages++;
              return usageOf();
            },
          });
          const { queue, relay, outcomes } = createRelay({
            inspector: counting,
            drain: drains
              ? (rest) => drainer.take(rest, { maxConcurrent: 1, maxMs: 1_000, maxBytes: 1_000 })
              : undefined,
          });
          for (const one of steps) {
            if (one === 'push') queue.push(text(delta));
            else if (one === 'next') void relay.next().catch(() => undefined);
            else if (one === 'return') void relay.return();
            else if (one === 'end') queue.end();
            else if (one === 'error') queue.end(new Error('reset'));
            else if (one === 'signal') queue.end(new GatewayError('caller_gone', 'left'));
            else await turn();
          }
          queue.end();
          void relay.return();
          for (let tries = 0; tries < 20 && outcomes.length === 0; tries++) await turn();
          await turn();
          expect(outcomes).toHaveLength(1);
          expect(outcomes[0]?.kind).not.toBe('complete');
          expect(usages).toBeGreaterThan(0);
        },
      ),
      { numRuns: 400 },
    );
    await turn();
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });
});

describe('a drainer', () => {
  const options = { maxConcurrent: 2, maxMs: 1_000, maxBytes: 1_000 };

  it('reads on for the usage after the caller left, and settles as aborted with it', async () => {
    const drainer = createDrainer(createVirtualRuntime());
    const { queue, relay, outcomes } = createRelay({ drain: (rest) => drainer.take(rest, options) });
    queue.push(text(delta));
    await relay.next();
    await relay.return();
    await turn();
    expect(outcomes).toEqual([]);
    queue.push(text(end));
    queue.end();
    await turn();
    expect(outcomes).toMatchObject([{ kind: 'aborted', usage: reported, replyBytes: delta.length }]);
  });

  it.each(['next', 'read'] as const)(
    'reads what came to a relay that still waited for it (%s)',
    async (how) => {
      const drainer = createDrainer(createVirtualRuntime());
      const { queue, relay, outcomes } = createRelay({ drain: (rest) => drainer.take(rest, options) });
      const ignore = { chunk: () => undefined, end: () => undefined, fail: () => undefined };
      if (how === 'next') void relay.next();
      else relay.read(ignore);
      // an event that is not whole: then it waits for more by itself
      for (const [from, to] of [
        [0, 30],
        [30, 60],
      ] as const) {
        queue.push(text(end.slice(from, to)));
        await turn();
        await turn();
      }
      await relay.return();
      queue.push(text(end.slice(60)));
      queue.end();
      for (let tries = 0; tries < 10 && outcomes.length === 0; tries++) await turn();
      expect(outcomes).toMatchObject([{ kind: 'aborted', usage: reported }]);
    },
  );

  it('stops at its bytes, at its time and at an error, and takes no more than its number at once', async () => {
    const runtime = createVirtualRuntime();
    const drainer = createDrainer(runtime);
    const create = () => createRelay({ drain: (rest) => drainer.take(rest, options) });
    const [large, slow, third] = [create(), create(), create()];
    await large.relay.return();
    await slow.relay.return();
    await third.relay.return();
    await turn();
    expect(third.outcomes).toHaveLength(1);
    expect(third.cancelled()).toBe(1);
    expect([large.outcomes.length, slow.outcomes.length]).toEqual([0, 0]);

    for (let index = 0; index < 20; index++) {
      large.queue.push(text(delta));
      await turn();
    }
    expect(large.outcomes).toHaveLength(1);
    expect(large.cancelled()).toBe(1);

    const broken = create();
    await broken.relay.return();
    broken.queue.end(new Error('reset'));
    await turn();
    expect(broken.outcomes).toHaveLength(1);

    await runtime.advanceAsync(1_000);
    expect(slow.outcomes).toHaveLength(1);
    expect(slow.cancelled()).toBe(1);
    expect(runtime.pending).toBe(0);

    const [again, another] = [create(), create()];
    await again.relay.return();
    await another.relay.return();
    await turn();
    expect([again.outcomes.length, another.outcomes.length]).toEqual([0, 0]);
    again.queue.end();
    another.queue.end();
  });
});
