import { describe, expect, it } from 'vitest';
import { createKey } from '../../src/keys/key-format.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { createFixture } from './key-fixture.ts';

describe('a cached key', () => {
  it('is believed for ttlMs after its read began, and a revocation is seen then without being told', async () => {
    const { addKey, answer, memory, runtime } = createFixture({ cache: { ttlMs: 5_000 } });
    const { key, record } = addKey();
    const answers = [await answer(key)];
    memory.put({ ...record, revokedAtMs: runtime.now() });
    runtime.advance(3_999);
    answers.push(await answer(key));
    runtime.advance(1_001);
    answers.push(await answer(key));
    expect(answers).toEqual(['accepted', 'accepted', 'revoked_key']);
  });

  it('counts its age from when the read began, not from when it ended', async () => {
    const fixture = createFixture({ cache: { ttlMs: 1_000 } });
    const { key } = fixture.addKey();
    fixture.faults.delayMs = 900;
    const first = fixture.answer(key);
    await fixture.runtime.advanceAsync(900);
    expect(await first).toBe('accepted');
    await fixture.runtime.advanceAsync(100);
    const second = fixture.resolve(key);
    expect(second).toBeInstanceOf(Promise);
    await fixture.runtime.advanceAsync(900);
    await second;
  });

  it('is read again in the background before its time is over, so that keys in use never wait', async () => {
    const { addKey, resolve, reads, runtime } = createFixture({ cache: { ttlMs: 1_000 } });
    const { key } = addKey();
    await resolve(key);
    for (let step = 0; step < 100; step++) {
      await runtime.advanceAsync(100);
      expect(resolve(key)).not.toBeInstanceOf(Promise);
    }
    // 10 s at one read every 800 ms, and not one more
    expect(reads.length).toBeGreaterThanOrEqual(10);
    expect(reads.length).toBeLessThanOrEqual(14);
  });

  it('goes when it is the least recently used of more than max', async () => {
    const { addKey, answer, reads } = createFixture({ cache: { max: 2 } });
    const keys = [addKey(), addKey(), addKey()] as const;
    for (const { key } of keys) await answer(key);
    await answer(keys[2].key);
    await answer(keys[1].key);
    expect(reads.length).toBe(3);
    await answer(keys[0].key);
    expect(reads.length).toBe(4);
  });

  it('is forgotten on request, so that the next one sees a revocation', async () => {
    const { addKey, answer, memory, resolver } = createFixture();
    const { key, kid, record } = addKey();
    expect(await answer(key)).toBe('accepted');
    memory.put({ ...record, revokedAtMs: 1 });
    resolver.forget(kid);
    expect(await answer(key)).toBe('revoked_key');
  });

  it('does not come back from a read that began before it was forgotten', async () => {
    const { addKey, answer, memory, resolver, faults, thaw } = createFixture();
    const { key, kid, record } = addKey();
    faults.isFrozen = true;
    const early = answer(key);
    memory.put({ ...record, revokedAtMs: 1 });
    resolver.forget(kid);
    faults.isFrozen = false;
    expect(await answer(key)).toBe('revoked_key');
    thaw();
    await early;
    expect(await answer(key)).toBe('revoked_key');
  });

  it('is not shared with requests that come after it was forgotten', async () => {
    const { addKey, answer, memory, resolver, faults, thaw } = createFixture();
    const { key, kid, record } = addKey();
    faults.isFrozen = true;
    const before = answer(key);
    memory.put({ ...record, revokedAtMs: 1 });
    resolver.forget(kid);
    const after = answer(key);
    thaw();
    expect(await after).toBe('revoked_key');
    await before;
    expect(await answer(key)).toBe('revoked_key');
  });

  it('that was seen revoked stays so when the store shows an older record, until it is forgotten', async () => {
    const { addKey, answer, memory, resolver, runtime } = createFixture();
    const { key, kid, record } = addKey({ revokedAtMs: 1 });
    expect(await answer(key)).toBe('revoked_key');
    const { revokedAtMs: _, ...older } = record;
    memory.put(older);
    runtime.advance(100_000);
    expect(await answer(key)).toBe('revoked_key');
    resolver.forget(kid);
    expect(await answer(key)).toBe('accepted');
  });

  it('that does not exist is believed absent for negativeTtlMs, or until it is forgotten', async () => {
    const { answer, memory, addKey, reads, runtime, resolver } = createFixture();
    const { key, kid, record } = addKey();
    memory.remove(kid);
    const answers = [await answer(key), await answer(key)];
    expect(reads.length).toBe(1);
    memory.put(record);
    runtime.advance(999);
    answers.push(await answer(key));
    runtime.advance(1);
    answers.push(await answer(key));
    memory.remove(kid);
    resolver.forget(kid);
    answers.push(await answer(key));
    memory.put(record);
    resolver.forget(kid);
    answers.push(await answer(key));
    const no = 'invalid_key';
    expect(answers).toEqual([no, no, no, 'accepted', no, 'accepted']);
  });

  it('is not evicted by a flood of kids that do not exist', async () => {
    const { addKey, answer, reads } = createFixture({ cache: { max: 10, maxNegative: 10 } });
    const { key } = addKey();
    await answer(key);
    const guesser = createVirtualRuntime({ seed: 6 });
    for (let guess = 0; guess < 100; guess++) await answer(createKey(guesser).key);
    reads.length = 0;
    expect(await answer(key)).toBe('accepted');
    expect(reads).toEqual([]);
  });
});

describe('a stampede on a cold cache', () => {
  it('of 10,000 keys, each asked for three times, reads each once, few at a time, and refuses none', async () => {
    const { addKey, answer, reads, runtime, mostRunning, faults } = createFixture();
    faults.delayMs = 1;
    const keys = Array.from({ length: 10_000 }, () => addKey());
    const answers = Promise.all([keys, keys, keys].flat().map(({ key }) => answer(key)));
    await runtime.advanceAsync(1_000);
    expect(new Set(await answers)).toEqual(new Set(['accepted']));
    expect(reads.length).toBe(10_000);
    expect(new Set(reads).size).toBe(10_000);
    expect(mostRunning()).toBe(100);
    expect(runtime.pending).toBe(0);
  });

  it('after everything was forgotten reads each key once again, refuses none, and none waits for longer than its turn', async () => {
    const { addKey, answer, reads, runtime, mostRunning, faults, resolver } = createFixture();
    const keys = Array.from({ length: 10_000 }, () => addKey());
    await Promise.all(keys.map(({ key }) => answer(key)));
    reads.length = 0;
    faults.delayMs = 1;
    resolver.forgetAll();
    const waits: number[] = [];
    const sinceMs = runtime.monotonicMs();
    const answers = Promise.all(
      [keys, keys].flat().map(async ({ key }) => {
        const code = await answer(key);
        waits.push(runtime.monotonicMs() - sinceMs);
        return code;
      }),
    );
    await runtime.advanceAsync(1_000);
    expect(new Set(await answers)).toEqual(new Set(['accepted']));
    expect([reads.length, new Set(reads).size, mostRunning()]).toEqual([10_000, 10_000, 100]);
    // 10,000 reads of 1 ms, 100 at a time
    expect(Math.max(...waits)).toBeLessThanOrEqual(110);
  });

  it('is 503, never 401, beyond the reads that may wait', async () => {
    const { addKey, answer, thaw, faults, reads } = createFixture({
      reads: { maxConcurrent: 2, maxQueued: 3 },
    });
    faults.isFrozen = true;
    const answers = Array.from({ length: 8 }, () => answer(addKey().key));
    expect(await Promise.all(answers.slice(5))).toEqual(new Array(3).fill('store_unavailable'));
    thaw();
    expect(await Promise.all(answers)).toEqual([
      ...new Array(5).fill('accepted'),
      ...new Array(3).fill('store_unavailable'),
    ]);
    expect(reads.length).toBe(5);
  });
});
