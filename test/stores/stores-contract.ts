import { describe } from 'vitest';
import type { Stores } from '../../src/stores/stores.ts';
import { configStoreContract } from '../../src/testing/contracts/config-store.ts';
import { keyStoreContract, type Undo } from '../../src/testing/contracts/key-store.ts';
import { secretStoreContract } from '../../src/testing/contracts/secret-store.ts';
import type { StoreHarness, StoreNeed } from '../../src/testing/contracts/store-case.ts';
import {
  toKeyStoreHarness,
  writableKeyStoreContract,
} from '../../src/testing/contracts/writable-key-store.ts';
import { toDeclare } from './declare-cases.ts';

/** A backend under test, fresh and empty, with all that it keeps. */
export interface StoresHarness {
  readonly stores: Stores;
  /** The same data as another node has it. */
  readonly second: () => Stores | Promise<Stores>;
  readonly breakStore?: () => Undo | Promise<Undo>;
  readonly freeze?: () => Undo | Promise<Undo>;
  readonly slow?: () => Undo | Promise<Undo>;
  readonly failOver?: () => void | Promise<void>;
  readonly deadlineMs?: number;
  readonly patienceMs?: number;
  /** Called when the case has ended, however it did; closes what was opened. */
  readonly close: () => Promise<void>;
}

/**
 * Declares the cases of every contract over a backend. Cases whose needs stand in `without` are left out, each shown with
 * the reason.
 *
 * @example
 * describe('the stores in files', () => contractOfStores(createFileHarness, {}));
 */
export function contractOfStores(
  create: (needs: readonly StoreNeed[]) => StoresHarness | Promise<StoresHarness>,
  without: Partial<Record<StoreNeed, string>>,
  timeoutMs = 120_000,
): void {
  const declare = toDeclare(create, without, timeoutMs);

  describe('of keys', () => {
    for (const { name, needs, run } of keyStoreContract) {
      declare(name, needs ? [needs] : [], (harness) => run(toKeyStoreHarness(view(harness, 'keys'))));
    }
    for (const { name, needs = [], run } of writableKeyStoreContract) {
      declare(name, needs, (harness) => run(view(harness, 'keys')));
    }
  });
  describe('of the configuration', () => {
    for (const { name, needs = [], run } of configStoreContract) {
      declare(name, needs, (harness) => run(view(harness, 'config')));
    }
  });
  describe('of secrets', () => {
    for (const { name, needs = [], run } of secretStoreContract) {
      declare(name, needs, (harness) => run(view(harness, 'secrets')));
    }
  });
}

function view<Part extends 'keys' | 'config' | 'secrets'>(
  harness: StoresHarness,
  part: Part,
): StoreHarness<Stores[Part]> {
  const { stores, second, close: _close, ...faults } = harness;
  return { ...faults, store: stores[part], second: async () => (await second())[part] };
}
