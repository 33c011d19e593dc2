import { describe, expect, it } from 'vitest';
import type { Stores } from '../../src/stores/stores.ts';
import { configStoreContract } from '../../src/testing/contracts/config-store.ts';
import { secretStoreContract } from '../../src/testing/contracts/secret-store.ts';
import type { StoreCase } from '../../src/testing/contracts/store-case.ts';
import { writableKeyStoreContract } from '../../src/testing/contracts/writable-key-store.ts';
import { createGatedHarness } from './gated-stores.ts';
import { spoiltStores } from './spoilt-stores.ts';
import { contractOfStores } from './stores-contract.ts';

describe('the contracts of stores, on correct stores that can fail and freeze', () => {
  contractOfStores(() => createGatedHarness(), {});
});

/** How the cases whose names hold `part` end on spoilt stores, those of every kind of store. */
async function endings(part: string, spoil: (stores: Stores) => Stores): Promise<string[]> {
  const ends: string[] = [];
  const runAll = async <Part extends 'keys' | 'config' | 'secrets'>(
    kind: Part,
    contract: readonly StoreCase<Stores[Part]>[],
  ): Promise<void> => {
    for (const { run } of contract.filter(({ name }) => name.includes(part))) {
      const { stores, second: _, ...faults } = createGatedHarness(spoil);
      const end = run({ ...faults, store: stores[kind], second: () => stores[kind] });
      await end.then(
        () => ends.push('passed'),
        () => ends.push('failed'),
      );
    }
  };
  await runAll('keys', writableKeyStoreContract);
  await runAll('config', configStoreContract);
  await runAll('secrets', secretStoreContract);
  return ends;
}

describe('the contracts of stores', () => {
  it.each(spoiltStores)('fail on a store that %s: %s', async (_, caught, spoil) => {
    expect(await endings(caught, spoil)).toContain('failed');
  });

  it('have cases with names of their own', () => {
    for (const contract of [writableKeyStoreContract, configStoreContract, secretStoreContract]) {
      expect(new Set(contract.map(({ name }) => name)).size).toBe(contract.length);
    }
  });

  it('fail, and do not pass silently, when a store or harness cannot do what a case needs', async () => {
    const { stores } = createGatedHarness();
    const { watchConfig: _, ...store } = stores.config;
    for (const { needs, run } of configStoreContract) {
      const end = run({ store, second: () => store }).then(
        () => 'passed',
        () => 'failed',
      );
      if (needs) expect(await end).toBe('failed');
    }
  });
});
