import { describe, expect, it } from 'vitest';
import type { GatewayError } from '../../src/errors.ts';
import { createKey } from '../../src/keys/key-format.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { createFixture } from './key-fixture.ts';

describe('a failed store', () => {
  it.each<[string, unknown]>([
    ['an error', new Error('ECONNREFUSED')],
    ['a string', 'down'],
  ])(
    'that throws %s is 503 for a key that is not cached, with the cause kept and not told',
    async (_, thrown) => {
      const { addKey, resolve, faults } = createFixture();
      faults.error = thrown;
      const error = await Promise.resolve(resolve(addKey().key)).catch((reason) => reason as GatewayError);
      expect(error).toMatchObject({
        code: 'store_unavailable',
        status: 503,
        cause: thrown,
        retryAfterSeconds: 1,
      });
      expect((error as GatewayError).message).not.toMatch(/ECONN|down/);
    },
  );

  it.each<[string, () => unknown]>([
    [
      'throws at once',
      () => {
        throw new Error('not connected');
      },
    ],
    ['returns undefined', async () => undefined],
    ['returns something else', async () => ({ id: 1 })],
  ])('that %s is 503 as well', async (_, findKey) => {
    const { answer } = createFixture({ store: { findKey: findKey as () => Promise<null> } });
    expect(await answer(createKey(createVirtualRuntime()).key)).toBe('store_unavailable');
  });

  it('is not remembered: the next request asks again', async () => {
    const { addKey, answer, faults } = createFixture();
    const { key } = addKey();
    faults.error = new Error('down');
    expect(await answer(key)).toBe('store_unavailable');
    faults.error = undefined;
    expect(await answer(key)).toBe('accepted');
  });

  it('leaves known keys usable for staleMs beyond ttlMs, then 503, and they come back with the store', async () => {
    const { addKey, answer, faults, runtime } = createFixture({ cache: { ttlMs: 5_000, staleMs: 60_000 } });
    const { key } = addKey();
    const answers = [await answer(key)];
    faults.error = new Error('down');
    for (const ms of [5_000, 30_000, 29_999, 1, 10_000]) {
      runtime.advance(ms);
      answers.push(await answer(key));
    }
    faults.error = undefined;
    answers.push(await answer(key));
    const [yes, no] = ['accepted', 'store_unavailable'];
    expect(answers).toEqual([yes, yes, yes, yes, no, no, yes]);
  });

  it('makes no request wait once it is known to fail, and is tried again once per retryMs and key', async () => {
    const { addKey, resolve, answer, faults, reads, runtime } = createFixture({ cache: { retryMs: 1_000 } });
    const { key } = addKey();
    await resolve(key);
    faults.error = new Error('down');
    runtime.advance(5_000);
    expect(await answer(key)).toBe('accepted');
    reads.length = 0;
    for (let step = 0; step < 100; step++) {
      await runtime.advanceAsync(100);
      expect(resolve(key)).not.toBeInstanceOf(Promise);
    }
    expect(reads.length).toBeGreaterThanOrEqual(8);
    expect(reads.length).toBeLessThanOrEqual(10);
  });

  it('that failed once is no reason to believe an old record when the key is used again later', async () => {
    const { addKey, answer, memory, faults, runtime } = createFixture();
    const { key, record } = addKey();
    await answer(key);
    faults.error = new Error('one bad moment');
    runtime.advance(5_000);
    expect(await answer(key)).toBe('accepted');
    faults.error = undefined;
    memory.put({ ...record, revokedAtMs: 1 });
    runtime.advance(30_000);
    expect(await answer(key)).toBe('revoked_key');
  });

  it('that works again shows a revocation after one more try in the background', async () => {
    const { addKey, answer, memory, faults, runtime } = createFixture({ cache: { retryMs: 1_000 } });
    const { key, record } = addKey();
    await answer(key);
    faults.error = new Error('down');
    for (let second = 0; second < 20; second++) {
      await runtime.advanceAsync(1_000);
      expect(await answer(key)).toBe('accepted');
    }
    faults.error = undefined;
    memory.put({ ...record, revokedAtMs: 1 });
    await runtime.advanceAsync(1_000);
    await answer(key);
    await runtime.advanceAsync(0);
    expect(await answer(key)).toBe('revoked_key');
  });

  it('that is frozen costs a known key in use at most a second, though a read may take two', async () => {
    const { addKey, answer, runtime, faults } = createFixture({ cache: { ttlMs: 5_000 } });
    const { key } = addKey();
    await answer(key);
    faults.isFrozen = true;
    const waits: number[] = [];
    const asked = [];
    for (let step = 0; step < 300; step++) {
      const sinceMs = runtime.monotonicMs();
      const note = (code: string) => {
        expect(code).toBe('accepted');
        waits.push(runtime.monotonicMs() - sinceMs);
      };
      asked.push(answer(key).then(note));
      await runtime.advanceAsync(100);
    }
    await Promise.all(asked);
    expect(waits.length).toBe(300);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_000);
    expect(waits.filter((ms) => ms > 100).length).toBeLessThanOrEqual(10);
  });

  it('that never answers is 503 at the deadline, and its slot is free for others after as long again', async () => {
    const { addKey, answer, faults, runtime } = createFixture({
      reads: { maxConcurrent: 1, timeoutMs: 2_000 },
    });
    faults.isFrozen = true;
    const slow = answer(addKey().key);
    await runtime.advanceAsync(2_000);
    expect(await slow).toBe('store_unavailable');
    faults.isFrozen = false;
    await runtime.advanceAsync(1_000);
    const waiting = answer(addKey().key);
    await runtime.advanceAsync(1_000);
    expect(await waiting).toBe('accepted');
    expect(runtime.pending).toBe(0);
  });

  it('that is frozen is not handed the queue: who waits in it is 503 at the same deadline', async () => {
    const { addKey, answer, faults, runtime, reads, mostRunning, thaw } = createFixture({
      reads: { maxConcurrent: 2, timeoutMs: 500 },
    });
    faults.isFrozen = true;
    const first = Array.from({ length: 20 }, () => answer(addKey().key));
    await runtime.advanceAsync(500);
    expect(new Set(await Promise.all(first))).toEqual(new Set(['store_unavailable']));
    expect(reads.length).toBe(2);
    const second = Array.from({ length: 20 }, () => answer(addKey().key));
    await runtime.advanceAsync(1);
    thaw();
    expect(new Set(await Promise.all(second))).toEqual(new Set(['accepted']));
    expect(reads.length).toBe(22);
    expect(mostRunning()).toBe(2);
    expect(runtime.pending).toBe(0);
  });

  it('does not gain a slot when a read ends after its slot was given up', async () => {
    const { addKey, answer, faults, runtime, mostRunning, thaw } = createFixture({
      reads: { maxConcurrent: 1, timeoutMs: 500 },
    });
    faults.isFrozen = true;
    const slow = answer(addKey().key);
    await runtime.advanceAsync(1_000);
    thaw();
    await runtime.advanceAsync(0);
    expect(await slow).toBe('store_unavailable');
    faults.delayMs = 10;
    const others = Promise.all([answer(addKey().key), answer(addKey().key), answer(addKey().key)]);
    await runtime.advanceAsync(100);
    expect(await others).toEqual(['accepted', 'accepted', 'accepted']);
    expect(mostRunning()).toBe(1);
  });

  it('drops what a read brings after its deadline', async () => {
    const { addKey, answer, faults, runtime, thaw, memory } = createFixture();
    const { key, record } = addKey();
    faults.isFrozen = true;
    const slow = answer(key);
    await runtime.advanceAsync(2_000);
    expect(await slow).toBe('store_unavailable');
    memory.put({ ...record, revokedAtMs: 1 });
    thaw();
    await runtime.advanceAsync(0);
    expect(await answer(key)).toBe('revoked_key');
  });

  it('never makes a key usable that was seen removed', async () => {
    const { addKey, answer, faults, runtime, memory } = createFixture();
    const { key, kid } = addKey();
    const answers = [await answer(key)];
    memory.remove(kid);
    runtime.advance(5_000);
    answers.push(await answer(key), await answer(key));
    faults.error = new Error('down');
    runtime.advance(1_000);
    answers.push(await answer(key));
    expect(answers).toEqual(['accepted', 'invalid_key', 'invalid_key', 'store_unavailable']);
  });

  it('never makes a key usable that was seen revoked, or that was forgotten', async () => {
    const { addKey, answer, faults, runtime, resolver } = createFixture();
    const revoked = addKey({ revokedAtMs: 1 });
    const forgotten = addKey();
    await answer(revoked.key);
    await answer(forgotten.key);
    faults.error = new Error('down');
    resolver.forget(forgotten.kid);
    for (const ms of [0, 6_000, 60_000, 600_000]) {
      runtime.advance(ms);
      expect(await answer(revoked.key)).toBe('revoked_key');
      expect(await answer(forgotten.key)).toBe('store_unavailable');
    }
  });

  it('does not turn a read of a forgotten key into its stale record', async () => {
    const { addKey, answer, faults, runtime, resolver, thaw } = createFixture();
    const { key, kid } = addKey();
    await answer(key);
    await runtime.advanceAsync(5_000);
    faults.isFrozen = true;
    faults.error = new Error('down');
    const waiting = answer(key);
    resolver.forget(kid);
    thaw();
    expect(await waiting).toBe('store_unavailable');
  });

  it('is not believed longer because the wall clock jumps', async () => {
    const { addKey, answer, faults, runtime } = createFixture();
    const { key } = addKey();
    await answer(key);
    faults.error = new Error('down');
    runtime.shiftClock(-86_400_000);
    runtime.advance(65_000);
    expect(await answer(key)).toBe('store_unavailable');
  });
});
