import { describe, expect, it, vi } from 'vitest';
import { createChangeNotifier } from '../../src/stores/change-notifier.ts';
import { createMemoryConfigStore } from '../../src/stores/memory/memory-config-store.ts';
import { createMemoryStores } from '../../src/stores/memory/memory-stores.ts';
import { sampleVersion } from '../../src/testing/contracts/config-store-samples.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';

describe('the stores in memory', () => {
  it('begin with the keys that they are given, and have nothing to migrate', async () => {
    const stores = createMemoryStores({ keys: [sampleRecord('a')] });
    expect(stores.backend).toBe('memory');
    expect((await stores.keys.findKey('a'))?.team).toBe('web');
    expect(await stores.migrate()).toEqual([]);
  });

  it('keep as many versions of the configuration as they may and drop the oldest', async () => {
    const { config } = createMemoryStores({ maxVersions: 3 });
    for (let number = 0; number < 5; number++)
      await config.appendVersion(sampleVersion(`v${number + 1}`), number);
    expect((await config.listVersions()).map(({ number }) => number)).toEqual([5, 4, 3]);
    expect(await config.readVersion(2)).toBeNull();
    expect((await config.readLatest())?.number).toBe(5);
  });

  it.each([0, -1, 1.5, Number.NaN])('refuse to keep %s versions', (maxVersions) => {
    expect(() => createMemoryConfigStore({ maxVersions })).toThrow(/"maxVersions"/);
    expect(() => createMemoryStores({ maxVersions })).toThrow(TypeError);
  });

  it('refuse a page without a size or larger than a thousand', async () => {
    const { keys, config, secrets } = createMemoryStores();
    for (const limit of [0, -1, 1.5, 1_001, Number.NaN]) {
      await expect(keys.listKeys({ limit })).rejects.toThrow(/listKeys: "limit"/);
      await expect(config.listVersions({ limit })).rejects.toThrow(/listVersions: "limit"/);
      await expect(secrets.listSecrets({ limit })).rejects.toThrow(TypeError);
    }
  });

  it('take a key that was put without a version as version 0', async () => {
    const { keys } = createMemoryStores({ keys: [sampleRecord('a')] });
    expect(await keys.putKey({ ...sampleRecord('a', { team: 'new' }), version: 2 }, 1)).toBe(false);
    expect(await keys.putKey({ ...sampleRecord('a', { team: 'new' }), version: 1 }, 0)).toBe(true);
    expect(await keys.findKey('a')).toEqual({ ...sampleRecord('a', { team: 'new' }), version: 1 });
  });

  it('tell watchers of keys that are put and removed at once', async () => {
    const { keys } = createMemoryStores({ keys: [sampleRecord('a')] });
    const heard: unknown[] = [];
    const unwatch = keys.watchKeys((id) => void heard.push(id));
    expect(heard).toEqual([]);
    await vi.waitFor(() => expect(heard).toEqual([undefined]), 60_000);
    keys.put(sampleRecord('b'));
    keys.remove('a');
    keys.remove('a');
    await unwatch();
    keys.put(sampleRecord('c'));
    expect(heard).toEqual([undefined, 'b', 'a']);
  });
});

describe('a change notifier', () => {
  it('calls one function for each of its watches and ends each apart', async () => {
    const sizes: number[] = [];
    const notifier = createChangeNotifier((size) => void sizes.push(size));
    const listener = vi.fn();
    const first = notifier.watch(listener, false);
    const second = notifier.watch(listener, false);
    notifier.tell('a');
    expect(listener.mock.calls).toEqual([['a'], ['a']]);
    await first();
    await first();
    notifier.tell('b');
    expect(listener).toHaveBeenCalledTimes(3);
    await second();
    expect(sizes).toEqual([1, 2, 1, 0]);
  });

  it('calls nobody who left while others were being told, or before the first call', async () => {
    const notifier = createChangeNotifier();
    const late = vi.fn();
    let leave = () => {};
    notifier.watch(() => leave(), false);
    const end = notifier.watch(late);
    leave = () => void end();
    notifier.tell('a');
    await Promise.resolve();
    expect(late).not.toHaveBeenCalled();
    notifier.close();
    notifier.tell('b');
    expect(notifier.size).toBe(0);
  });
});
