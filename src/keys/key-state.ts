import type { KeyRecord } from '../stores/key-store.ts';

/** Whether a key can be used. */
export type KeyState = 'active' | 'expired' | 'revoked';

/** State of a key at an instant. It is expired from the very millisecond of `expiresAtMs` on. */
export function keyStateAt(record: Pick<KeyRecord, 'revokedAtMs' | 'expiresAtMs'>, nowMs: number): KeyState {
  if (isRevoked(record)) return 'revoked';
  // a custom store may return `null` for a column without a value
  const isExpired =
    record.expiresAtMs !== undefined && record.expiresAtMs !== null && nowMs >= record.expiresAtMs;
  return isExpired ? 'expired' : 'active';
}

/** Whether the key was revoked, even at an instant that this process's clock has not reached yet. */
export function isRevoked(record: Pick<KeyRecord, 'revokedAtMs'>): boolean {
  return record.revokedAtMs !== undefined && record.revokedAtMs !== null;
}
