import { createKey } from '../keys/key-format.ts';
import { hashSecret, type PepperRing } from '../keys/key-hash.ts';
import type { Runtime } from '../runtime.ts';
import type { KeyRecord } from '../stores/key-store.ts';

/** What a key is to be. */
export type KeyRequest = Pick<KeyRecord, 'team' | 'environment'> &
  Partial<Pick<KeyRecord, 'owner' | 'project' | 'application' | 'models'>> & { readonly lifetimeMs?: number };

/** A key that was just made: the key itself, to be shown once, and the record that proves it. */
export interface IssuedKey {
  readonly key: string;
  readonly record: KeyRecord;
}

/** Makes a key and its record. */
export function issueKey(request: KeyRequest, peppers: PepperRing, runtime: Runtime): IssuedKey {
  const { environment, lifetimeMs, ...who } = request;
  const { key, kid, secret, last4 } = createKey(runtime, { environment });
  const createdAtMs = runtime.now();
  return {
    key,
    record: {
      kid,
      ...hashSecret(peppers, secret),
      ...who,
      environment,
      createdAtMs,
      ...(lifetimeMs !== undefined && { expiresAtMs: createdAtMs + lifetimeMs }),
      last4,
    },
  };
}
