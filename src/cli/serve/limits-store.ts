import type { Ledger } from '../../limits/ledger.ts';
import type { Hints } from '../../stores/hints.ts';
import { UsageError } from '../command.ts';
import type { Io } from '../io.ts';
import { describeStore, openStores, toStoreError } from '../open-stores.ts';

/** A ledger that was opened by its URL. */
export interface LimitsStore {
  readonly ledger: Ledger;
  /** How its nodes notify each other; undefined if it has no push. */
  readonly hints: Hints | undefined;
  close(): Promise<void>;
}

/**
 * Opens a store that keeps only limits.
 *
 * @throws UsageError for a backend that keeps none
 */
export async function openLimitsStore(url: string, io: Io): Promise<LimitsStore> {
  try {
    const stores = await openStores(url, io);
    const { ledger } = stores;
    if (ledger === undefined) {
      await stores.close();
      const form = JSON.stringify(describeStore(url));
      throw new UsageError(`--limits is sqlite:<file>, postgres://… or redis://…, not ${form}.`);
    }
    await stores.migrate().catch(async (error: unknown) => {
      await stores.close().catch(() => undefined);
      throw error;
    });
    return { ledger, hints: stores.hints, close: () => stores.close() };
  } catch (error) {
    throw toStoreError(error, url);
  }
}

/** Whether the stores behind a URL keep limits that other processes see. */
export function keepsLimits(url: string): boolean {
  return /^(sqlite|postgres(ql)?|rediss?):/i.test(url);
}
