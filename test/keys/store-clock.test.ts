import { describe, expect, it } from 'vitest';
import { createKeyResolver } from '../../src/keys/resolver.ts';
import type { KeyStore } from '../../src/stores/key-store.ts';
import { createFixture, peppers } from './key-fixture.ts';

const minuteMs = 60_000;

/** A resolver on a store whose clock is off by `offMs` against the gateway's, and can be set, held up and broken. */
function createClocked(offMs: number) {
  const fixture = createFixture();
  const { runtime, memory } = fixture;
  const clock = {
    offMs,
    reads: 0,
    error: undefined as unknown,
    isHung: false,
    answerMs: undefined as unknown,
  };
  const store: KeyStore = {
    findKey: memory.findKey,
    async readClockMs() {
      clock.reads++;
      if (clock.isHung) await new Promise(() => undefined);
      if (clock.error !== undefined) throw clock.error;
      return (clock.answerMs ?? Date.UTC(2030, 0, 1) + runtime.monotonicMs() + clock.offMs) as number;
    },
  };
  const resolver = createKeyResolver({ store, runtime, peppers, cache: { ttlMs: 1_000 } });
  return {
    ...fixture,
    clock,
    resolver,
    storeNowMs: () => Date.UTC(2030, 0, 1) + runtime.monotonicMs() + clock.offMs,
    async answer(key: string): Promise<string> {
      try {
        await resolver.resolve({ 'x-api-key': key }, '');
        return 'accepted';
      } catch (error) {
        return (error as { code: string }).code;
      }
    },
  };
}

describe("a store's clock", () => {
  it.each([10 * minuteMs, -10 * minuteMs])(
    'decides to the millisecond, off by %i ms, and is asked for no key that is cached',
    async (offMs) => {
      const { addKey, answer, clock, runtime, storeNowMs } = createClocked(offMs);
      const { key } = addKey({ expiresAtMs: storeNowMs() + 500 });
      expect(await answer(key)).toBe('accepted');
      runtime.advance(499);
      expect(await answer(key)).toBe('accepted');
      runtime.advance(1);
      expect(await answer(key)).toBe('expired_key');
      expect(clock.reads).toBe(1);
    },
  );

  it("goes on while the gateway's own is set", async () => {
    const { addKey, answer, runtime, storeNowMs } = createClocked(0);
    const { key } = addKey({ expiresAtMs: storeNowMs() + 500 });
    expect(await answer(key)).toBe('accepted');
    runtime.shiftClock(24 * 60 * minuteMs);
    expect(await answer(key)).toBe('accepted');
    runtime.shiftClock(-48 * 60 * minuteMs);
    runtime.advance(500);
    expect(await answer(key)).toBe('expired_key');
  });

  it('is asked again beside a read once a minute has gone, and followed where it was set', async () => {
    const { addKey, answer, clock, runtime, storeNowMs } = createClocked(0);
    const { key } = addKey({ expiresAtMs: storeNowMs() + 60 * minuteMs });
    expect(await answer(key)).toBe('accepted');
    for (let second = 0; second < 59; second++) {
      await runtime.advanceAsync(1_000);
      expect(await answer(key)).toBe('accepted');
    }
    expect(clock.reads).toBe(1);
    clock.offMs = 60 * minuteMs;
    await runtime.advanceAsync(2_000);
    await answer(key);
    expect(clock.reads).toBe(2);
    expect(await answer(key)).toBe('expired_key');
  });

  it('dates the uses of keys, in whole milliseconds', async () => {
    const { addKey, runtime, memory } = createClocked(0);
    const { key, record } = addKey();
    const store = { findKey: memory.findKey, readClockMs: async () => 1_700_000_000_000.4 };
    const uses: unknown[] = [];
    const onUse = (...use: unknown[]) => void uses.push(use);
    const resolver = createKeyResolver({ store, runtime, peppers, onUse });
    for (const elapsedMs of [0, 10]) {
      runtime.advance(elapsedMs);
      await resolver.resolve({ 'x-api-key': key }, '');
    }
    expect(uses).toEqual([
      [record, false, 1_700_000_000_000],
      [record, false, 1_700_000_000_010],
    ]);
  });

  it('is asked once for many keys that are read at once', async () => {
    const { addKey, answer, clock } = createClocked(0);
    const keys = Array.from({ length: 50 }, () => addKey().key);
    expect(new Set(await Promise.all(keys.map(answer)))).toEqual(new Set(['accepted']));
    expect(clock.reads).toBe(1);
  });

  it.each([
    ['fails', { error: new Error('down') }],
    ['is no time', { answerMs: Number.NaN }],
  ])('that %s before it was ever known leaves keys unchecked: 503, never a guess', async (_, fault) => {
    const { addKey, answer, clock } = createClocked(0);
    const { key } = addKey();
    Object.assign(clock, fault);
    expect(await answer(key)).toBe('store_unavailable');
    Object.assign(clock, { error: undefined, answerMs: undefined });
    expect(await answer(key)).toBe('accepted');
  });

  it('that fails later goes on as it was known', async () => {
    const { addKey, answer, clock, runtime, storeNowMs } = createClocked(10 * minuteMs);
    const { key } = addKey({ expiresAtMs: storeNowMs() + 3 * minuteMs });
    expect(await answer(key)).toBe('accepted');
    clock.error = new Error('down');
    await runtime.advanceAsync(2 * minuteMs);
    expect(await answer(key)).toBe('accepted');
    await runtime.advanceAsync(minuteMs);
    expect(await answer(key)).toBe('expired_key');
    expect(clock.reads).toBeGreaterThan(1);
  });

  it('that never answers is a store that does not answer in time, and is asked anew later', async () => {
    const { addKey, answer, clock, runtime } = createClocked(0);
    const { key } = addKey();
    clock.isHung = true;
    const waiting = answer(key);
    await runtime.advanceAsync(2_000);
    expect(await waiting).toBe('store_unavailable');
    clock.isHung = false;
    await runtime.advanceAsync(4_000);
    expect(await answer(key)).toBe('accepted');
  });
});
