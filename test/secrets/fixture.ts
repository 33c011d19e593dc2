import { randomBytes } from 'node:crypto';
import { createVirtualRuntime } from 'headgate/testing';
import type { SecretBinding } from '../../src/secrets/envelope.ts';
import { createKeyEncryptionRing, type KeyEncryptionRing } from '../../src/secrets/key-encryption-ring.ts';
import type { SecretError } from '../../src/secrets/secret-error.ts';
import { createVault, type VaultOptions } from '../../src/secrets/vault.ts';
import { createMemorySecretStore } from '../../src/stores/memory/memory-secret-store.ts';
import type { SecretRecord, SecretStore } from '../../src/stores/secret-store.ts';
import type { ChangeListener } from '../../src/stores/watch.ts';
import { createGate } from '../stores/gate.ts';

export const canary = 'sk-canary-0123456789abcdef';

export const binding: SecretBinding = {
  id: 'openai-main',
  provider: 'openai',
  scope: 'gateway',
  createdAtMs: 1_900_000_000_000,
  version: 1,
};

export const keyBytes = () => new Uint8Array(randomBytes(32));

export function createRing(current = 'k1', keys: Record<string, Uint8Array> = { [current]: keyBytes() }) {
  return createKeyEncryptionRing({ current, keys });
}

/** A key service in memory that can be broken, held back and counted. */
export function createService() {
  const gate = createGate();
  const ring = createRing('inner');
  const calls = { wrap: 0, unwrap: 0 };
  const direct = {
    wrap: (dataKey: Uint8Array, context: string) => ring.wrap(dataKey, context),
    unwrap: (wrapped: Uint8Array, context: string) => ring.unwrap('inner', wrapped, context, 'any'),
  };
  return {
    gate,
    calls,
    /** The same service as another node reaches it. */
    direct,
    async wrap(dataKey: Uint8Array, context: string) {
      calls.wrap++;
      await gate.pass();
      return direct.wrap(dataKey, context);
    },
    async unwrap(wrapped: Uint8Array, context: string) {
      calls.unwrap++;
      await gate.pass();
      return direct.unwrap(wrapped, context);
    },
  };
}

/** A memory store behind a gate, whose records can be changed behind its back and whose push can be cut. */
export function createTestStore() {
  const inner = createMemorySecretStore();
  const gate = createGate();
  const calls = { find: 0, list: 0, stamp: 0 };
  const tampered = new Map<string, SecretRecord>();
  let bumps = 0;
  let pushes = true;
  const seen = (record: SecretRecord) => tampered.get(record.id) ?? record;
  const store: SecretStore = {
    async findSecret(id) {
      calls.find++;
      await gate.pass();
      const record = await inner.findSecret(id);
      return record && seen(record);
    },
    async listSecrets(query) {
      calls.list++;
      await gate.pass();
      return (await inner.listSecrets(query)).map(seen);
    },
    async putSecret(record, expectedVersion) {
      await gate.pass();
      return inner.putSecret(record, expectedVersion);
    },
    async removeSecret(id, expectedVersion) {
      await gate.pass();
      return inner.removeSecret(id, expectedVersion);
    },
    async readSecretsStamp() {
      calls.stamp++;
      await gate.pass();
      return (await inner.readSecretsStamp()) + bumps;
    },
    watchSecrets(listener: ChangeListener) {
      return inner.watchSecrets!((id) => pushes && listener(id));
    },
  };
  return {
    store,
    gate,
    calls,
    cutPush() {
      pushes = false;
    },
    /** What a database shows after somebody wrote to it by hand. */
    tamper(record: SecretRecord) {
      tampered.set(record.id, record);
      bumps++;
    },
    restore(id: string) {
      tampered.delete(id);
      bumps++;
    },
    async record(id: string): Promise<SecretRecord> {
      const record = await inner.findSecret(id);
      if (!record) throw new Error(`no record ${id}`);
      return record;
    },
  };
}

export function createTestVault(
  options: Partial<VaultOptions> & { readonly testStore?: ReturnType<typeof createTestStore> } = {},
) {
  const { testStore = createTestStore(), ...rest } = options;
  const runtime = createVirtualRuntime();
  const ring: KeyEncryptionRing = rest.ring ?? createRing();
  const errors: SecretError[] = [];
  const vault = createVault({
    store: testStore.store,
    runtime,
    onError: (error) => errors.push(error),
    ...rest,
    ring,
  });
  return {
    ...testStore,
    testStore,
    runtime,
    ring,
    vault,
    errors,
    codes: () => errors.map(({ code }) => code),
  };
}
