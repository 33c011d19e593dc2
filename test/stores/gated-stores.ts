import { createChangeNotifier } from '../../src/stores/change-notifier.ts';
import { createMemoryStores } from '../../src/stores/memory/memory-stores.ts';
import type { Stores } from '../../src/stores/stores.ts';
import type { ChangeListener, Unwatch } from '../../src/stores/watch.ts';
import { createGate } from './gate.ts';
import type { StoresHarness } from './stores-contract.ts';

const deadlineMs = 160;

/** Correct stores over a backend that can be broken and frozen, as a client of a server would be; `spoil` makes them wrong. */
export function createGatedHarness(spoil: (stores: Stores) => Stores = (stores) => stores): StoresHarness {
  const memory = createMemoryStores();
  const gate = createGate();
  const losses = createChangeNotifier();

  const pass = async (): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('The backend does not answer.')), deadlineMs);
    });
    await Promise.race([gate.pass(), late]).finally(() => clearTimeout(timer));
  };
  const gated =
    <Arguments extends readonly unknown[], Result>(method: (...all: Arguments) => Promise<Result>) =>
    async (...all: Arguments): Promise<Result> => {
      await pass();
      return method(...all);
    };
  const watch =
    (method: (listener: ChangeListener) => Unwatch) =>
    (listener: ChangeListener): Unwatch => {
      const ends = [method(listener), losses.watch(listener, false)];
      return async () => void (await Promise.all(ends.map((end) => end())));
    };

  const { keys, config, secrets } = memory;
  const stores: Stores = {
    backend: 'gated',
    keys: {
      findKey: gated(keys.findKey),
      putKey: gated(keys.putKey),
      listKeys: gated(keys.listKeys),
      noteUses: gated(keys.noteUses),
      watchKeys: watch(keys.watchKeys),
      readClockMs: gated(async () => performance.timeOrigin + performance.now()),
    },
    config: {
      readLatest: gated(config.readLatest),
      readNumber: gated(config.readNumber),
      readVersion: gated(config.readVersion),
      listVersions: gated(config.listVersions),
      appendVersion: gated(config.appendVersion),
      watchConfig: watch(config.watchConfig as (listener: ChangeListener) => Unwatch),
    },
    secrets: {
      findSecret: gated(secrets.findSecret),
      listSecrets: gated(secrets.listSecrets),
      putSecret: gated(secrets.putSecret),
      removeSecret: gated(secrets.removeSecret),
      readSecretsStamp: gated(secrets.readSecretsStamp),
      watchSecrets: watch(secrets.watchSecrets as (listener: ChangeListener) => Unwatch),
    },
    migrate: async () => [],
    close: memory.close,
  };
  const fault = (make: () => () => void | Promise<void>) => () => {
    const mend = make();
    return async () => {
      await mend();
      losses.tell(undefined);
    };
  };
  const spoilt = spoil(stores);
  return {
    stores: spoilt,
    second: () => spoilt,
    breakStore: fault(gate.break as () => () => void),
    freeze: fault(gate.freeze as () => () => void),
    slow: () => gate.slow(deadlineMs / 4),
    // for whoever asks, another server is a failure, and then the same data
    async failOver() {
      const mend = fault(gate.break as () => () => void)();
      await stores.keys.findKey('Aa0000000001').catch(() => undefined);
      await spoilt.keys.findKey('Aa0000000001').catch(() => undefined);
      await mend();
    },
    deadlineMs: deadlineMs * 2,
    patienceMs: 1_000,
    close: stores.close,
  };
}
