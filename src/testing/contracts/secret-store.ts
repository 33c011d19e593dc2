import assert from 'node:assert/strict';
import type { SecretStore } from '../../stores/secret-store.ts';
import type { ChangeListener } from '../../stores/watch.ts';
import { secretCases } from './secret-store-cases.ts';
import { idsOf, sampleSecret } from './secret-store-samples.ts';
import type { StoreCase, StoreHarness } from './store-case.ts';
import { faultCases } from './store-faults.ts';
import { watchCases } from './store-watch.ts';

/** A secret store under test. */
export type SecretStoreHarness = StoreHarness<SecretStore>;

/** One rule of `SecretStore`, as a test. */
export type SecretStoreCase = StoreCase<SecretStore>;

const idOf = (index: number) => `watched-${index}`;

const subject = {
  watch(store: SecretStore, listener: ChangeListener) {
    assert.ok(store.watchSecrets, 'the store has no watchSecrets: leave the case out with the reason');
    return store.watchSecrets(listener);
  },
  async change(store: SecretStore, index: number): Promise<string> {
    const id = idOf(index);
    for (let tries = 0; tries < 100; tries++) {
      const version = (await store.findSecret(id))?.version ?? 0;
      if (await store.putSecret(sampleSecret(id, { version: version + 1 }), version)) return id;
    }
    return assert.fail('others were faster a hundred times');
  },
  calls: (store: SecretStore) =>
    [
      ['findSecret of one that exists', () => store.findSecret(idOf(0))],
      ['findSecret of one that does not', () => store.findSecret('absent')],
      ['listSecrets', () => store.listSecrets({ limit: 10 })],
      ['listSecrets behind the last', () => store.listSecrets({ after: '~', limit: 10 })],
      ['putSecret', () => store.putSecret(sampleSecret('unheard'), 0)],
      ['putSecret that must lose', () => store.putSecret(sampleSecret(idOf(0)), 0)],
      ['removeSecret', () => store.removeSecret('unheard', 1)],
      ['removeSecret of one that does not exist', () => store.removeSecret('absent', 1)],
      ['readSecretsStamp', () => store.readSecretsStamp()],
    ] as const,
  async check(store: SecretStore) {
    assert.equal((await store.findSecret(idOf(0)))?.id, idOf(0), 'the secret is there again');
    assert.equal(await store.findSecret('absent'), null, 'what does not exist is null again');
    assert.ok(idsOf(await store.listSecrets({ limit: 10 })).includes(idOf(0)));
    assert.ok(Number.isSafeInteger(await store.readSecretsStamp()));
  },
};

/**
 * What every `SecretStore` must do, for any test runner: each case takes a fresh, empty backend. Skip a case only
 * for a reason that your test states.
 */
export const secretStoreContract: readonly SecretStoreCase[] = [
  ...secretCases,
  ...watchCases(subject),
  ...faultCases(subject),
];
