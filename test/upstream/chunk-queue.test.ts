import { AsyncLocalStorage } from 'node:async_hooks';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkQueue } from '../../src/upstream/chunk-queue.ts';

const highWaterBytes = 65_536;

/** A queue, and what its source was told. */
function createQueue() {
  const calls: string[] = [];
  const queue = new ChunkQueue({
    pause: () => calls.push('pause'),
    resume: () => calls.push('resume'),
    cancel: () => calls.push('cancel'),
  });
  return { queue, calls };
}

const bytes = (length: number, value = 1) => new Uint8Array(length).fill(value);
const text = (part: string) => Buffer.from(part);
const turn = () => new Promise((resolve) => setImmediate(resolve));
async function readAll(queue: ChunkQueue): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of queue) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('a chunk queue', () => {
  it('hands out what was pushed, in order, what came together at once', async () => {
    const { queue } = createQueue();
    queue.push(text('a'));
    queue.push(text('b'));
    expect(await queue.next()).toEqual({ done: false, value: new Uint8Array(text('ab')) });
    const waiting = queue.next();
    queue.push(text('c'));
    expect(Buffer.from((await waiting).value).toString()).toBe('c');
    queue.end();
    expect(await queue.next()).toEqual({ done: true, value: undefined });
  });

  it('hands on a single chunk as it is, without a copy', async () => {
    const { queue } = createQueue();
    const chunk = text('a');
    queue.push(chunk);
    expect((await queue.next()).value).toBe(chunk);
  });

  it('gives a receiver what came together at once, a turn later, and one thing for each time it is read', async () => {
    const { queue, calls } = createQueue();
    const seen: string[] = [];
    const receiver = {
      chunk: (chunk: Uint8Array) => seen.push(Buffer.from(chunk).toString()),
      end: () => seen.push('end'),
      fail: (error: unknown) => seen.push(`failed: ${error}`),
    };
    queue.read(receiver);
    queue.push(text('a'));
    queue.push(text('b'));
    expect(seen).toEqual([]);
    await turn();
    queue.push(text('c'));
    await turn();
    expect(seen).toEqual(['ab']);
    queue.read(receiver);
    expect(seen).toEqual(['ab']);
    await turn();
    queue.end('broken');
    await turn();
    expect(seen).toEqual(['ab', 'c']);
    queue.read(receiver);
    await turn();
    expect(seen).toEqual(['ab', 'c', 'failed: broken']);
    expect(calls).toEqual([]);
  });

  it('delivers in the context of who reads, whoever fills it', async () => {
    const callers = new AsyncLocalStorage<string>();
    const { queue } = createQueue();
    const seen: (string | undefined)[] = [];
    const ended = new Promise<void>((resolve) => {
      const receiver = {
        chunk: () => {
          seen.push(callers.getStore());
          callers.run('another', () => queue.read(receiver));
        },
        end: () => {
          seen.push(callers.getStore());
          resolve();
        },
        fail: resolve,
      };
      callers.run('reader', () => queue.read(receiver));
    });
    callers.run('connection', () => queue.push(text('a')));
    await turn();
    callers.run('connection', () => queue.push(text('b')));
    await turn();
    callers.run('connection', () => queue.end());
    await ended;
    expect(seen).toEqual(['reader', 'reader', 'reader']);
  });

  it('tells a receiver that waits of its end', async () => {
    for (const finish of [(queue: ChunkQueue) => queue.end(), (queue: ChunkQueue) => queue.cancel()]) {
      const { queue } = createQueue();
      const seen: string[] = [];
      queue.read({
        chunk: () => seen.push('chunk'),
        end: () => seen.push('end'),
        fail: () => seen.push('fail'),
      });
      finish(queue);
      await turn();
      expect(seen).toEqual(['end']);
    }
  });

  it('gives the next chunk to whoever asked last', async () => {
    const { queue } = createQueue();
    const seen: string[] = [];
    queue.read({
      chunk: () => seen.push('chunk'),
      end: () => seen.push('end'),
      fail: () => seen.push('fail'),
    });
    const waiting = queue.next();
    queue.push(text('a'));
    expect(Buffer.from((await waiting).value).toString()).toBe('a');
    await turn();
    expect(seen).toEqual([]);
  });

  it.each(['next', 'collect', 'read'] as const)(
    'loses nothing that its source pushes as it is resumed, and pauses it again (%s)',
    async (how) => {
      const kept = [bytes(highWaterBytes), bytes(highWaterBytes, 2)];
      const queue: ChunkQueue = new ChunkQueue({
        pause: () => undefined,
        resume() {
          const chunk = kept.shift();
          if (chunk) queue.push(chunk);
        },
        cancel: () => undefined,
      });
      queue.push(bytes(highWaterBytes, 3));
      expect((await queue.next()).value[0]).toBe(3);
      const length = await Promise.race([
        how === 'next'
          ? queue.next().then(({ value }) => value.length)
          : how === 'collect'
            ? Promise.resolve(queue.collect(highWaterBytes - 1)).then((found) => found.bytes.length)
            : new Promise((resolve, reject) =>
                queue.read({ chunk: ({ length }) => resolve(length), end: reject, fail: reject }),
              ),
        turn().then(turn),
      ]);
      expect(length).toBe(highWaterBytes);
    },
  );

  it('pauses its source at the high-water mark, once, and resumes it when a reader waits for more', async () => {
    const { queue, calls } = createQueue();
    queue.push(bytes(highWaterBytes - 1));
    expect(calls).toEqual([]);
    queue.push(bytes(1));
    queue.push(bytes(1));
    expect(calls).toEqual(['pause']);
    await queue.next();
    expect(calls).toEqual(['pause']);
    const waiting = queue.next();
    expect(calls).toEqual(['pause', 'resume']);
    queue.push(bytes(1));
    await waiting;
    expect(calls).toEqual(['pause', 'resume']);
  });

  it('never holds more than the high-water mark and one chunk when its source obeys', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.integer({ min: 1, max: 40_000 }), fc.constant('read' as const)), {
          maxLength: 60,
        }),
        async (steps) => {
          const { queue, calls } = createQueue();
          const isPaused = () => calls.at(-1) === 'pause';
          let pushed = 0;
          let taken = 0;
          let largest = 0;
          for (const step of steps) {
            if (step === 'read') {
              if (pushed === taken) continue;
              taken += (await queue.next()).value.length;
              // whoever reads on waits, and that opens the tap
              const waiting = queue.next();
              queue.push(bytes(1));
              pushed += 1;
              taken += (await waiting).value.length;
            } else if (!isPaused()) {
              queue.push(bytes(step));
              pushed += step;
              largest = Math.max(largest, step);
            }
            expect(pushed - taken).toBeLessThan(highWaterBytes + largest);
          }
          queue.end();
          let rest = 0;
          for await (const chunk of queue) rest += chunk.length;
          expect(taken + rest).toBe(pushed);
        },
      ),
    );
  });

  it('delivers what came before the connection broke, and then throws what broke it', async () => {
    const { queue, calls } = createQueue();
    const broke = new Error('reset');
    queue.push(text('partial'));
    queue.end(broke);
    expect(Buffer.from((await queue.next()).value).toString()).toBe('partial');
    await expect(queue.next()).rejects.toBe(broke);
    queue.cancel();
    expect(calls).toEqual([]);
  });

  it('wakes a reader that waits when the source ends, breaks, or the reply is cancelled', async () => {
    const ended = createQueue();
    const first = ended.queue.next();
    ended.queue.end();
    expect((await first).done).toBe(true);

    const broken = createQueue();
    const second = broken.queue.next();
    broken.queue.end(new Error('reset'));
    await expect(second).rejects.toThrow('reset');

    const cancelled = createQueue();
    const third = cancelled.queue.next();
    cancelled.queue.cancel();
    expect((await third).done).toBe(true);
    expect(cancelled.calls).toEqual(['cancel']);
  });

  it('wakes every reader that waits, so that none hangs', async () => {
    for (const stop of ['push', 'end', 'cancel'] as const) {
      const { queue } = createQueue();
      const readers = [queue.next(), queue.next()];
      if (stop === 'push') {
        queue.push(text('a'));
        queue.end();
      } else queue[stop]();
      const late = new Promise((resolve) => setTimeout(resolve, 60_000, 'hangs').unref());
      expect(await Promise.race([Promise.all(readers).then(() => 'woken'), late]), stop).toBe('woken');
    }
  });

  it('cancels its source once, and keeps and takes nothing from then on', async () => {
    const { queue, calls } = createQueue();
    queue.push(text('a'));
    await queue.return();
    queue.cancel();
    queue.push(text('b'));
    queue.end(new Error('aborted'));
    expect(await queue.next()).toEqual({ done: true, value: undefined });
    expect(calls).toEqual(['cancel']);
  });

  it('takes nothing after its end, and only the first end counts', async () => {
    const { queue } = createQueue();
    queue.push(text('a'));
    queue.end();
    queue.push(text('b'));
    queue.end(new Error('late'));
    expect(await readAll(queue)).toBe('a');
  });
});

describe('collecting from a chunk queue', () => {
  it('returns the whole body when it is within the bound, and says that it ended', async () => {
    const { queue } = createQueue();
    const collecting = queue.collect(10);
    queue.push(text('hello'));
    queue.push(text('world'));
    queue.end();
    const { bytes: collected, ended } = await collecting;
    expect([Buffer.from(collected).toString(), ended]).toEqual(['helloworld', true]);
    expect((await queue.next()).done).toBe(true);
  });

  it('stops as soon as there is more than the bound, and iteration goes on behind it', async () => {
    const { queue } = createQueue();
    queue.push(text('01234'));
    const collecting = queue.collect(7);
    queue.push(text('56789'));
    const { bytes: collected, ended } = await collecting;
    expect([Buffer.from(collected).toString(), ended]).toEqual(['0123456789', false]);
    queue.push(text('abc'));
    queue.end();
    expect(await readAll(queue)).toBe('abc');
  });

  it('answers at once when there is enough, or an end, already', () => {
    const { queue } = createQueue();
    queue.push(text('012345'));
    expect(queue.collect(3)).toEqual({ bytes: text('012345'), ended: false });
    queue.push(text('6'));
    queue.end();
    expect(queue.collect(3)).toEqual({ bytes: text('6'), ended: true });
  });

  it('lets its bound come in without pausing even above the high-water mark, and pauses behind it', async () => {
    const { queue, calls } = createQueue();
    const collecting = queue.collect(200_000);
    for (let index = 0; index < 4; index++) queue.push(bytes(50_000));
    expect(calls).toEqual([]);
    queue.push(bytes(1));
    expect((await collecting).bytes).toHaveLength(200_001);
    queue.push(bytes(highWaterBytes));
    expect(calls).toEqual(['pause']);
  });

  it('opens the tap of a source that was paused before', async () => {
    const { queue, calls } = createQueue();
    queue.push(bytes(highWaterBytes));
    const collecting = queue.collect(100_000);
    expect(calls).toEqual(['pause', 'resume']);
    queue.end();
    expect((await collecting).bytes).toHaveLength(highWaterBytes);
  });

  it('throws when the connection broke, whatever had come', async () => {
    const { queue } = createQueue();
    const collecting = queue.collect(100);
    queue.push(text('half'));
    queue.end(new Error('reset'));
    await expect(collecting).rejects.toThrow('reset');
    await expect(queue.collect(3)).rejects.toThrow('reset');
  });
});
