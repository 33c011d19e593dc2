import assert from 'node:assert/strict';
import type { ConfigStore } from '../../stores/config-store.ts';
import type { ChangeListener } from '../../stores/watch.ts';
import { configCases } from './config-store-cases.ts';
import { sampleVersion } from './config-store-samples.ts';
import type { StoreCase, StoreHarness } from './store-case.ts';
import { faultCases } from './store-faults.ts';
import { watchCases } from './store-watch.ts';

/** A config store under test. */
export type ConfigStoreHarness = StoreHarness<ConfigStore>;

/** One rule of `ConfigStore`, as a test. */
export type ConfigStoreCase = StoreCase<ConfigStore>;

const subject = {
  watch(store: ConfigStore, listener: ChangeListener) {
    assert.ok(store.watchConfig, 'the store has no watchConfig: leave the case out with the reason');
    return store.watchConfig(listener);
  },
  async change(store: ConfigStore): Promise<string> {
    for (let tries = 0; tries < 100; tries++) {
      const number = await store.readNumber();
      const stored = await store.appendVersion(sampleVersion(`v${number + 1}`), number);
      if (stored) return String(stored.number);
    }
    return assert.fail('others were faster a hundred times');
  },
  calls: (store: ConfigStore) =>
    [
      ['readLatest', () => store.readLatest()],
      ['readNumber', () => store.readNumber()],
      ['readVersion of one that exists', () => store.readVersion(1)],
      ['readVersion of one that does not', () => store.readVersion(99)],
      ['listVersions', () => store.listVersions()],
      ['appendVersion', () => store.appendVersion(sampleVersion('v2'), 1)],
      ['appendVersion that must lose', () => store.appendVersion(sampleVersion('v1'), 0)],
    ] as const,
  async check(store: ConfigStore) {
    assert.ok((await store.readNumber()) >= 1, 'the number is known again');
    assert.ok(await store.readLatest(), 'the latest version is there again');
    assert.deepEqual(await store.readVersion(1), { ...sampleVersion('v1'), number: 1 });
    assert.equal(await store.readVersion(99), null);
    assert.equal((await store.listVersions()).at(-1)?.number, 1);
  },
};

/**
 * What every `ConfigStore` must do, for any test runner: each case takes a fresh, empty backend. Skip a case only
 * for a reason that your test states.
 */
export const configStoreContract: readonly ConfigStoreCase[] = [
  ...configCases,
  ...watchCases(subject),
  ...faultCases(subject),
];
