import { describe, expect, it } from 'vitest';
import { followKeys } from '../../src/keys/follow-keys.ts';
import { createKeyResolver } from '../../src/keys/resolver.ts';
import type { KeyRecord, KeyStore } from '../../src/stores/key-store.ts';
import type { ChangeListener } from '../../src/stores/watch.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { createGate } from '../stores/gate.ts';
import { createFixture, peppers } from './key-fixture.ts';

describe('the version of a key', () => {
  it('never goes back: a replica that lags behind does not undo a revocation, told of or not', async () => {
    const { addKey, answer, memory, resolver, runtime } = createFixture({ cache: { ttlMs: 1_000 } });
    const { key, kid, record } = addKey({ version: 1 });
    const answers = [await answer(key)];
    memory.put({ ...record, version: 2, revokedAtMs: 1 });
    resolver.forget(kid);
    answers.push(await answer(key));
    memory.put(record);
    for (const step of ['kept', 'forgotten', 'old']) {
      if (step === 'forgotten') resolver.forget(kid);
      if (step === 'old') runtime.advance(1_000_000);
      answers.push(await answer(key));
    }
    // that the store shows what was before is its failure, not the caller's
    expect(answers).toEqual([
      'accepted',
      'revoked_key',
      'revoked_key',
      'store_unavailable',
      'store_unavailable',
    ]);
    memory.put({ ...record, version: 2, revokedAtMs: 1 });
    expect(await answer(key)).toBe('revoked_key');
  });

  it('is remembered when the key was evicted or removed', async () => {
    const { addKey, answer, memory, runtime } = createFixture({ cache: { max: 1 } });
    const evicted = addKey({ version: 3 });
    await answer(evicted.key);
    await answer(addKey({ version: 1 }).key);
    memory.put({ ...evicted.record, version: 2 });
    expect(await answer(evicted.key)).toBe('store_unavailable');
    const removed = addKey({ version: 3 });
    await answer(removed.key);
    memory.remove(removed.kid);
    runtime.advance(5_000);
    expect(await answer(removed.key)).toBe('invalid_key');
    memory.put({ ...removed.record, version: 2 });
    runtime.advance(1_000);
    expect(await answer(removed.key)).toBe('store_unavailable');
  });

  it('that is older is no reason to refuse a key in use: the newer record goes on as for any failed read', async () => {
    const { addKey, answer, memory, runtime } = createFixture({ cache: { ttlMs: 1_000, staleMs: 5_000 } });
    const { key, record } = addKey({ version: 4, owner: 'new' });
    await answer(key);
    memory.put({ ...record, version: 3, owner: 'old' });
    const answers: string[] = [];
    for (const ms of [1_000, 4_999, 1]) {
      runtime.advance(ms);
      answers.push(await answer(key));
    }
    expect(answers).toEqual(['accepted', 'accepted', 'store_unavailable']);
  });

  it('decides between two reads: who waited for the overtaken one is given the newer record', async () => {
    const { addKey, resolve, memory, resolver, faults, thaw, runtime } = createFixture();
    const { key, kid, record } = addKey({ version: 1 });
    await resolve(key);
    memory.put({ ...record, version: 2, owner: 'two' });
    await runtime.advanceAsync(5_000);
    faults.isFrozen = true;
    const overtaken = resolve(key);
    memory.put({ ...record, version: 3, owner: 'three' });
    resolver.forget(kid);
    faults.isFrozen = false;
    expect(await resolve(key)).toMatchObject({ owner: 'three' });
    thaw();
    expect(await overtaken).toMatchObject({ owner: 'three' });
    expect(resolve(key)).toMatchObject({ owner: 'three' });
  });

  it('that was read anew is not believed longer because a read that it overtook fails', async () => {
    const { addKey, answer, memory, resolver, faults, thaw, runtime } = createFixture({
      cache: { ttlMs: 500 },
    });
    const { key, kid, record } = addKey({ version: 1 });
    faults.isFrozen = true;
    faults.error = new Error('down');
    const overtaken = answer(key);
    resolver.forget(kid);
    faults.isFrozen = false;
    faults.error = undefined;
    const answers = [await answer(key)];
    thaw();
    answers.push(await overtaken);
    memory.put({ ...record, version: 2, revokedAtMs: 1 });
    runtime.advance(500);
    answers.push(await answer(key));
    expect(answers).toEqual(['accepted', 'accepted', 'revoked_key']);
  });

  it('of a read that began before the key was made does not hide the key', async () => {
    const { addKey, answer, memory, resolver, faults, thaw } = createFixture();
    const { key, kid, record } = addKey({ version: 1 });
    memory.remove(kid);
    faults.isFrozen = true;
    const early = answer(key);
    memory.put(record);
    resolver.forget(kid);
    faults.isFrozen = false;
    expect(await answer(key)).toBe('accepted');
    thaw();
    expect(await early).toBe('invalid_key');
    expect(await answer(key)).toBe('accepted');
  });
});

describe('forgetting all keys', () => {
  it('has each read again before it is believed, absent ones too', async () => {
    const { addKey, answer, memory, resolver } = createFixture();
    const known = addKey();
    const late = addKey();
    memory.remove(late.kid);
    const answers = [await answer(known.key), await answer(late.key)];
    memory.put({ ...known.record, revokedAtMs: 1 });
    memory.put(late.record);
    resolver.forgetAll();
    answers.push(await answer(known.key), await answer(late.key));
    expect(answers).toEqual(['accepted', 'invalid_key', 'revoked_key', 'accepted']);
  });

  it('keeps nothing of the reads that are under way', async () => {
    const { addKey, answer, memory, resolver, faults, thaw } = createFixture();
    const { key, record } = addKey();
    faults.isFrozen = true;
    const early = answer(key);
    memory.put({ ...record, revokedAtMs: 1 });
    resolver.forgetAll();
    thaw();
    expect(await early).toBe('accepted');
    expect(await answer(key)).toBe('revoked_key');
  });

  it('leaves keys usable while the store fails, for the time that was declared', async () => {
    const { addKey, answer, faults, resolver, runtime } = createFixture({
      cache: { ttlMs: 5_000, staleMs: 60_000 },
    });
    const { key } = addKey();
    await answer(key);
    faults.error = new Error('down');
    resolver.forgetAll();
    const answers = [await answer(key)];
    runtime.advance(64_999);
    answers.push(await answer(key));
    runtime.advance(1);
    answers.push(await answer(key));
    expect(answers).toEqual(['accepted', 'accepted', 'store_unavailable']);
  });

  it('does not bring back a key that was seen revoked', async () => {
    const { addKey, answer, memory, resolver } = createFixture();
    const { key, record } = addKey({ revokedAtMs: 1 });
    await answer(key);
    const { revokedAtMs: _, ...older } = record;
    memory.put(older);
    resolver.forgetAll();
    expect(await answer(key)).toBe('revoked_key');
  });

  it('costs one read a key, after which nobody waits', async () => {
    const { addKey, resolve, reads, resolver } = createFixture();
    const { key } = addKey();
    await resolve(key);
    reads.length = 0;
    resolver.forgetAll();
    resolver.forgetAll();
    await resolve(key);
    expect(resolve(key)).not.toBeInstanceOf(Promise);
    expect(reads.length).toBe(1);
  });
});

describe('followKeys', () => {
  /** A store with a watch and a gate before its reads. */
  function createWatched() {
    const gate = createGate();
    const records = new Map<string, KeyRecord>();
    const listeners = new Set<ChangeListener>();
    const store: KeyStore = {
      async findKey(kid) {
        const found = records.get(kid) ?? null;
        await gate.pass();
        return found;
      },
      watchKeys(listener) {
        listeners.add(listener);
        listener(undefined);
        return async () => void listeners.delete(listener);
      },
    };
    const tell: ChangeListener = (id) => {
      for (const listener of listeners) listener(id);
    };
    return { gate, records, store, tell, listeners };
  }

  it('shows a change at the next request, a revocation overtaking a read under way included', async () => {
    const { gate, records, store, tell } = createWatched();
    const runtime = createVirtualRuntime();
    const { addKey } = createFixture();
    const resolver = createKeyResolver({ store, runtime, peppers });
    const unfollow = followKeys(store, resolver);
    const { key, kid, record } = addKey({ version: 1 });
    records.set(kid, record);
    const code = async () => {
      try {
        return (await resolver.resolve({ 'x-api-key': key }, '')).owner ?? 'accepted';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const thaw = gate.freeze();
    const early = code();
    records.set(kid, { ...record, version: 2, revokedAtMs: 1 });
    tell(kid);
    const after = code();
    thaw();
    expect(await Promise.all([early, after])).toEqual(['accepted', 'revoked_key']);
    expect(await code()).toBe('revoked_key');
    await unfollow();
  });

  it('has everything read again after a gap, and stops when it is told to', async () => {
    const { records, store, tell, listeners } = createWatched();
    const resolver = createKeyResolver({ store, runtime: createVirtualRuntime(), peppers });
    const unfollow = followKeys(store, resolver);
    const { key, kid, record } = createFixture().addKey({ version: 1 });
    const ownerOf = async () => (await resolver.resolve({ 'x-api-key': key }, '')).owner;
    records.set(kid, record);
    await ownerOf();
    records.set(kid, { ...record, version: 2, owner: 'ana' });
    tell(undefined);
    expect(await ownerOf()).toBe('ana');
    await unfollow();
    expect(listeners.size).toBe(0);
  });

  it('does nothing for a store that tells of nothing', async () => {
    const { resolver, memory } = createFixture();
    await followKeys({ findKey: memory.findKey }, resolver)();
  });
});
