import { type CreatedKey, createKey } from '../../src/keys/key-format.ts';
import { createPepperRing, hashSecret } from '../../src/keys/key-hash.ts';
import { createKeyResolver, type KeyResolverOptions } from '../../src/keys/resolver.ts';
import type { KeyRecord, KeyStore, PreviousSecret } from '../../src/stores/key-store.ts';
import { createMemoryKeyStore } from '../../src/stores/memory/memory-key-store.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';

/** A previous secret that nobody holds. */
export function otherSecret(graceUntilMs: number): PreviousSecret {
  return { secretHash: 'ab'.repeat(32), pepperId: 'p1', last4: 'abcd', graceUntilMs };
}

export const peppers = createPepperRing({ current: 'p1', peppers: { p1: new Uint8Array(32).fill(7) } });

/** A resolver on a store that can be counted, slowed, broken and frozen, in virtual time. */
export function createFixture(options: Partial<KeyResolverOptions> = {}) {
  const runtime = createVirtualRuntime();
  const memory = createMemoryKeyStore();
  const faults = { error: undefined as unknown, isFrozen: false, delayMs: 0 };
  const reads: string[] = [];
  const held: (() => void)[] = [];
  let running = 0;
  let mostRunning = 0;
  const store: KeyStore = {
    async findKey(kid) {
      reads.push(kid);
      mostRunning = Math.max(mostRunning, ++running);
      // what a store answers is what it held when the read began
      const answer = memory.findKey(kid);
      const { error } = faults;
      try {
        if (faults.delayMs > 0)
          await new Promise<void>((resolve) => runtime.schedule(faults.delayMs, resolve));
        if (faults.isFrozen) await new Promise<void>((resolve) => held.push(resolve));
        if (error !== undefined) throw error;
        return await answer;
      } finally {
        running--;
      }
    },
  };
  const digests: string[] = [];
  const ring = {
    ...peppers,
    digest(pepperId: string, secret: string) {
      digests.push(pepperId);
      return peppers.digest(pepperId, secret);
    },
  };
  const resolver = createKeyResolver({ store, runtime, peppers: ring, ...options });

  const addKey = (more: Partial<KeyRecord> = {}): CreatedKey & { record: KeyRecord } => {
    const created = createKey(runtime);
    const { kid, last4, environment, secret } = created;
    const createdAtMs = runtime.now();
    const hash = hashSecret(peppers, secret);
    const record: KeyRecord = { kid, last4, environment, team: 'web', createdAtMs, ...hash, ...more };
    memory.put(record);
    return { ...created, record };
  };

  return {
    runtime,
    memory,
    faults,
    /** Kids that the store was asked for, in order. */
    reads,
    /** Pepper ids of the HMACs computed, in order. */
    digests,
    resolver,
    mostRunning: () => mostRunning,
    /** Lets the reads go that were caught while the store was frozen. */
    thaw() {
      faults.isFrozen = false;
      for (const release of held.splice(0)) release();
    },
    addKey,
    /** A key that was rotated: `key` has the old secret, `newKey` the new one. */
    addRotated(graceUntilMs: number, more: Partial<KeyRecord> = {}) {
      const old = createKey(runtime);
      const made = createKey(runtime, { kid: old.kid });
      const previous = { ...hashSecret(peppers, old.secret), last4: old.last4, graceUntilMs };
      const { record } = addKey({
        kid: old.kid,
        last4: made.last4,
        ...hashSecret(peppers, made.secret),
        previous,
        ...more,
      });
      return { key: old.key, newKey: made.key, kid: old.kid, record };
    },
    resolve(key: string, remoteAddress?: string): KeyRecord | Promise<KeyRecord> {
      return resolver.resolve({ authorization: `Bearer ${key}` }, '', remoteAddress);
    },
    /** Code of the refusal, or 'accepted'. */
    async answer(key: string, remoteAddress?: string): Promise<string> {
      try {
        await resolver.resolve({ 'x-api-key': key }, '', remoteAddress);
        return 'accepted';
      } catch (error) {
        return (error as { code: string }).code;
      }
    },
  };
}
