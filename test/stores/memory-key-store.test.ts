import { describe, expect, it } from 'vitest';
import { createMemoryKeyStore } from '../../src/stores/memory/memory-key-store.ts';
import { type KeyStoreHarness, keyStoreContract } from '../../src/testing/contracts/key-store.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';

describe('the memory key store', () => {
  const createHarness = (): KeyStoreHarness => {
    const store = createMemoryKeyStore();
    return { store, put: store.put };
  };
  // memory cannot fail or freeze: the cases that need it run against the faulty store in key-store-contract.test.ts
  for (const { name, run } of keyStoreContract.filter((each) => each.needs === undefined)) {
    it(name, () => run(createHarness()));
  }

  it('begins with the records it is given and lists them in order', () => {
    const records = [sampleRecord('Bb0000000002'), sampleRecord('Aa0000000001')];
    expect(createMemoryKeyStore(records).list()).toEqual(records);
  });

  it('replaces a record in its place and removes one', async () => {
    const store = createMemoryKeyStore([sampleRecord('a'), sampleRecord('b')]);
    store.put(sampleRecord('a', { team: 'new' }));
    expect(store.list().map(({ kid, team }) => [kid, team])).toEqual([
      ['a', 'new'],
      ['b', 'web'],
    ]);
    expect([store.remove('a'), store.remove('a')]).toEqual([true, false]);
    expect(await store.findKey('a')).toBeNull();
    expect(store.list().length).toBe(1);
  });

  it('refuses two records with one kid at the start', () => {
    expect(() => createMemoryKeyStore([sampleRecord('a'), sampleRecord('a')])).toThrow(/"records".*"a"/);
  });

  it('hands out what cannot be changed', async () => {
    const store = createMemoryKeyStore([sampleRecord('a', { labels: { x: '1' } })]);
    const record = await store.findKey('a');
    expect(() => Object.assign(record?.labels as object, { x: '2' })).toThrow(TypeError);
  });

  it('leaves the record it was given as it was, unfrozen', () => {
    const record = sampleRecord('a', { labels: {} });
    createMemoryKeyStore([record]);
    expect([Object.isFrozen(record), Object.isFrozen(record.labels)]).toEqual([false, false]);
  });

  it('shares nothing with another store', async () => {
    const one = createMemoryKeyStore();
    const other = createMemoryKeyStore();
    one.put(sampleRecord('a'));
    expect(await other.findKey('a')).toBeNull();
  });
});
