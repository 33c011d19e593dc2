import { describe } from 'vitest';
import { createMemoryStores } from '../../src/stores/memory/memory-stores.ts';
import { createFileHarness } from './file-harness.ts';
import { contractOfStores, type StoresHarness } from './stores-contract.ts';

describe('the stores in memory', () => {
  const create = (): StoresHarness => {
    const stores = createMemoryStores();
    return { stores, second: () => stores, close: stores.close };
  };
  contractOfStores(create, {
    clock: 'memory has none of its own: it goes with the one process',
    breakStore: 'memory cannot fail; store-contracts.test.ts runs these cases on a store that does',
    freeze: 'memory cannot freeze; store-contracts.test.ts runs these cases on a store that does',
    slow: 'memory cannot be slow; store-contracts.test.ts runs these cases on a store that is',
    failOver:
      'memory is in one process; store-contracts.test.ts runs these cases on a store that goes on elsewhere',
  });
});

describe('the stores in files', () => {
  contractOfStores(() => createFileHarness(), {
    freeze:
      'a call to a file system that hangs cannot be given up; the gateway bounds its waits for a store itself',
    slow: 'a disk cannot be made slow; a lock that is held for long is tested in file-lock.test.ts',
  });
});
