import type { KeyRecord } from '../stores/key-store.ts';
import { type KeyState, keyStateAt } from './key-state.ts';

/** A key as it may be shown: everything but the hashes of its secrets. */
export interface KeySummary extends Omit<KeyRecord, 'secretHash' | 'previous'> {
  readonly state: KeyState;
  /** The secret before the last rotation, as long as it is accepted. */
  readonly previous?: { readonly last4: string; readonly graceUntilMs: number };
}

/** What may be shown of a key at an instant. */
export function toKeySummary(record: KeyRecord, nowMs: number): KeySummary {
  const { secretHash: _hash, previous, ...shown } = record;
  return {
    ...shown,
    state: keyStateAt(record, nowMs),
    ...(previous &&
      nowMs < previous.graceUntilMs && {
        previous: { last4: previous.last4, graceUntilMs: previous.graceUntilMs },
      }),
  };
}
