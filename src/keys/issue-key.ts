import type { Runtime } from '../runtime.ts';
import type { KeyRecord } from '../stores/key-store.ts';
import { createKey } from './key-format.ts';
import { hashSecret, type PepperRing } from './key-hash.ts';
import type { KeyRequest } from './key-request.ts';

/** A key that was just made: the key itself, to be shown once, and the record that proves it. */
export interface IssuedKey {
  /** The whole key, as a client sends it. Stored nowhere. */
  readonly key: string;
  readonly record: KeyRecord;
}

/**
 * Makes a key and its record, and stores nothing.
 *
 * @param createdAtMs the instant that `lifetimeMs` counts from. @default now
 */
export function issueKey(
  request: KeyRequest & { readonly createdBy?: string },
  peppers: PepperRing,
  runtime: Runtime,
  createdAtMs: number = runtime.now(),
): IssuedKey {
  const { environment = 'live', lifetimeMs, expiresAtMs, ...rest } = request;
  const { key, kid, secret, last4 } = createKey(runtime, { environment });
  const endsAtMs = expiresAtMs ?? (lifetimeMs === undefined ? undefined : createdAtMs + lifetimeMs);
  return {
    key,
    record: {
      kid,
      ...hashSecret(peppers, secret),
      ...rest,
      environment,
      createdAtMs,
      ...(endsAtMs !== undefined && { expiresAtMs: endsAtMs }),
      last4,
    },
  };
}
