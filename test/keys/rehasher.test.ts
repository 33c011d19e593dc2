import { createKeyService, createRuntime } from 'headgate';
import { describe, expect, it } from 'vitest';
import { createPepperRing } from '../../src/keys/key-hash.ts';
import { createRehasher, type RehasherOptions } from '../../src/keys/rehasher.ts';
import { createKeyResolver } from '../../src/keys/resolver.ts';
import type { WritableKeyStore } from '../../src/stores/key-store.ts';
import { createMemoryKeyStore } from '../../src/stores/memory/memory-key-store.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { backends } from '../backends.ts';
import { eventually } from '../eventually.ts';
import { startGateway, until } from '../harness.ts';

const one = { p1: new Uint8Array(32).fill(1) };
const both = { ...one, p2: new Uint8Array(32).fill(2) };
const oldRing = createPepperRing({ current: 'p1', peppers: one });
const ring = createPepperRing({ current: 'p2', peppers: both });
const newRing = createPepperRing({ current: 'p2', peppers: { p2: both.p2 } });

/** A gateway's way to look keys up, with a rehasher. */
function createNode(store: WritableKeyStore, options: Partial<RehasherOptions> = {}) {
  const runtime = options.runtime ?? createRuntime();
  const errors: unknown[] = [];
  const rehasher = createRehasher({
    store,
    peppers: ring,
    runtime,
    afterMs: 0,
    onError: (error) => errors.push(error),
    ...options,
  });
  const resolver = createKeyResolver({ store, peppers: ring, runtime, onVerified: rehasher.note });
  const use = async (key: string) => resolver.resolve({ 'x-api-key': key }, '');
  return { rehasher, resolver, use, errors };
}

/** Whether gateways that have the new pepper alone accept a key. */
async function isGoodWithout(store: WritableKeyStore, key: string): Promise<boolean> {
  const resolver = createKeyResolver({ store, peppers: newRing, runtime: createRuntime() });
  return (async () => resolver.resolve({ 'x-api-key': key }, ''))().then(
    () => true,
    () => false,
  );
}

describe.each(Object.entries(backends))('keys hashed under an older pepper, in %s', (_, createPlace) => {
  it('are hashed anew under the current one when they are used, both secrets of a rotated one, and nothing else changes', async () => {
    const place = await createPlace();
    const stores = [place.open(), place.open()];
    for (const each of stores) await each.migrate();
    const [store, other] = stores.map(({ keys }) => keys) as [WritableKeyStore, WritableKeyStore];
    const service = createKeyService({ store: other, peppers: oldRing });
    const made = await service.create({ team: 'web', owner: 'ana', labels: { a: '1' } }, 'ops');
    const { kid } = made.record;
    const next = await service.rotate(kid, { graceMs: 60_000 });
    const unused = await service.create({ team: 'web' }, 'ops');
    const before = await other.findKey(kid);

    const nodes = [createNode(store), createNode(other)];
    for (const { use } of nodes) for (const key of [made.key, next.key]) await use(key);
    await eventually(async () =>
      expect(await other.findKey(kid)).toMatchObject({ pepperId: 'p2', previous: { pepperId: 'p2' } }),
    );
    await Promise.all(nodes.map(({ rehasher }) => rehasher.close()));

    const after = await other.findKey(kid);
    const proof = { secretHash: expect.any(String), pepperId: 'p2' };
    expect(after).toEqual({
      ...before,
      ...proof,
      previous: { ...before?.previous, ...proof },
      // two nodes, and one change for each secret
      version: (before?.version ?? 0) + 2,
    });
    expect([await isGoodWithout(store, made.key), await isGoodWithout(store, next.key)]).toEqual([
      true,
      true,
    ]);
    expect((await other.findKey(unused.record.kid))?.pepperId).toBe('p1');
    expect(nodes.map(({ errors }) => errors)).toEqual([[], []]);
  });
});

describe('a rehasher', () => {
  async function createSite(options: Partial<RehasherOptions> = {}) {
    const runtime = createVirtualRuntime();
    const store = createMemoryKeyStore();
    let puts = 0;
    const faults = { error: undefined as unknown };
    const counted: WritableKeyStore = {
      ...store,
      async putKey(record, expectedVersion) {
        puts++;
        if (faults.error !== undefined) throw faults.error;
        return store.putKey(record, expectedVersion);
      },
    };
    const service = createKeyService({ store, peppers: oldRing, runtime });
    const { key, record } = await service.create({ team: 'web' }, 'ops');
    const node = createNode(counted, { runtime, ...options });
    const pepperOf = async () => (await store.findKey(record.kid))?.pepperId;
    return { runtime, store, service, key, record, faults, puts: () => puts, pepperOf, ...node };
  }

  it('writes nothing in its first ten minutes, so that a roll-out of the new pepper is through, and once for many uses', async () => {
    const { runtime, key, use, pepperOf, puts } = await createSite({ afterMs: undefined as never });
    for (let time = 0; time < 100; time++) {
      await use(key);
      await runtime.advanceAsync(5_000);
    }
    await runtime.advanceAsync(99_999);
    expect([await pepperOf(), puts()]).toEqual(['p1', 0]);
    await runtime.advanceAsync(1);
    expect([await pepperOf(), puts()]).toEqual(['p2', 1]);
    await use(key);
    await runtime.advanceAsync(600_000);
    expect([puts(), runtime.pending]).toEqual([1, 0]);
  });

  it('fails no request while the store fails, tells of it, and tries again a minute later', async () => {
    const { runtime, key, use, faults, errors, pepperOf, puts } = await createSite();
    faults.error = new Error('read-only');
    await use(key);
    await runtime.advanceAsync(0);
    expect([errors.length, puts()]).toEqual([1, 1]);
    for (let second = 0; second < 59; second++) {
      await use(key);
      await runtime.advanceAsync(1_000);
    }
    expect([errors.length, puts()]).toEqual([1, 1]);
    faults.error = undefined;
    await runtime.advanceAsync(1_000);
    expect([errors.length, await pepperOf()]).toEqual([1, 'p2']);
  });

  it('leaves alone what was rotated, revoked or removed meanwhile', async () => {
    const rotated = await createSite({ afterMs: 1_000 });
    await rotated.use(rotated.key);
    await rotated.service.rotate(rotated.record.kid, { graceMs: 0 });
    const revoked = await createSite({ afterMs: 1_000 });
    await revoked.use(revoked.key);
    await revoked.service.revoke(revoked.record.kid);
    const removed = await createSite({ afterMs: 1_000 });
    await removed.use(removed.key);
    removed.store.remove(removed.record.kid);
    for (const { runtime, errors } of [rotated, revoked, removed]) {
      await runtime.advanceAsync(1_000);
      expect([errors, runtime.pending]).toEqual([[], 0]);
    }
    const { previous, pepperId } = (await rotated.store.findKey(rotated.record.kid)) ?? {};
    // the old secret is the one that was used
    expect([pepperId, previous?.pepperId]).toEqual(['p1', 'p2']);
    expect(await revoked.store.findKey(revoked.record.kid)).toMatchObject({ pepperId: 'p1', version: 2 });
    expect(await removed.store.findKey(removed.record.kid)).toBeNull();
  });

  it('does nothing for keys of the current pepper, of one it does not have, when it is switched off, closed, or full', async () => {
    const off = await createSite({ afterMs: Number.POSITIVE_INFINITY });
    await off.use(off.key);
    const current = await createSite({ peppers: oldRing });
    await current.use(current.key);
    const foreign = await createSite({ peppers: newRing });
    await foreign.use(foreign.key);
    const closed = await createSite();
    await closed.rehasher.close();
    await closed.use(closed.key);
    for (const site of [off, current, foreign, closed]) {
      expect(site.runtime.pending).toBe(0);
      expect(await site.pepperOf()).toBe('p1');
    }
    const full = await createSite({ maxPending: 1 });
    const second = await full.service.create({ team: 'web' }, 'ops');
    await full.use(full.key);
    await full.use(second.key);
    await full.runtime.advanceAsync(0);
    expect(full.puts()).toBe(1);
  });

  it('is part of a gateway, and leaves a store that cannot be written to as it is', async () => {
    const memory = createMemoryKeyStore();
    const made = await createKeyService({ store: memory, peppers: oldRing }).create(
      { team: 'payments' },
      'ops',
    );
    const writing = await startGateway(undefined, { keys: memory, peppers: ring, rehashAfterMs: 0 });
    expect((await writing.send('/v1/models', undefined, { key: made.key })).status).toBe(200);
    let pepperId: string | undefined;
    await until(() => {
      void memory.findKey(made.record.kid).then((found) => (pepperId = found?.pepperId));
      return pepperId === 'p2';
    });
    const reading = await startGateway(undefined, {
      keys: { findKey: memory.findKey },
      peppers: ring,
      rehashAfterMs: 0,
    });
    expect((await reading.send('/v1/models', undefined, { key: made.key })).status).toBe(200);
  });
});
