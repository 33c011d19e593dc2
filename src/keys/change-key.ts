import type { Runtime } from '../runtime.ts';
import type { KeyRecord, WritableKeyStore } from '../stores/key-store.ts';
import { KeyError } from './key-error.ts';

/** A record as `putKey` takes it. */
export type VersionedKey = KeyRecord & { readonly version: number };

const maxRetries = 5;
const baseDelayMs = 10;

/**
 * Changes one key by compare-and-set: reads it, calls `change` again on each try, and stores the result only if
 * nobody else changed it in between. `change` returns the record it was given when there is nothing to do.
 *
 * @throws KeyError `key_not_found`, `key_conflict` after 5 retries, and what `change` throws
 */
export async function changeKey(
  store: WritableKeyStore,
  runtime: Runtime,
  kid: string,
  change: (record: KeyRecord) => KeyRecord,
): Promise<KeyRecord> {
  // callers often pass the key itself for its id; it goes no further than here
  if (!/^[0-9A-Za-z]{10,12}$/.test(kid)) {
    throw new KeyError(
      'key_not_found',
      'There is no such key: the id of a key is 10 to 12 letters and digits.',
    );
  }
  for (let attempt = 0; ; attempt++) {
    const found = await store.findKey(kid);
    if (found === null)
      throw new KeyError('key_not_found', `There is no key ${JSON.stringify(kid)}.`, { kid });
    const changed = change(found);
    if (changed === found) return found;
    const expectedVersion = found.version ?? 0;
    const next: VersionedKey = { ...changed, version: expectedVersion + 1 };
    if (await store.putKey(next, expectedVersion)) return next;
    if (attempt === maxRetries) {
      throw new KeyError('key_conflict', `Others keep changing the key ${kid}. Try again.`, { kid });
    }
    await pause(runtime, attempt);
  }
}

/** Full jitter: writers that lost the same race do not all retry at the same time. */
export function pause(runtime: Runtime, attempt: number): Promise<void> {
  const delayMs = runtime.random() * baseDelayMs * 2 ** attempt;
  return new Promise((resolve) => runtime.schedule(delayMs, resolve));
}
