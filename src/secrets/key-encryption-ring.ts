import { createRuntime, type Runtime } from '../runtime.ts';
import { decrypt, encrypt } from './aes-gcm.ts';
import { type KeyEncryptionKey, readKeyEncryptionKey } from './key-encryption-key.ts';
import { type KeyEncryptionService, type RingKey, toServiceKey } from './key-encryption-service.ts';
import { maxTimerMs, readInteger } from './option.ts';
import { keyIdPattern } from './sealed-text.ts';
import { notAuthentic, SecretError } from './secret-error.ts';

/** The keys that data keys are wrapped with, by id. */
export interface KeyEncryptionRingOptions {
  /** Id of the key that secrets are sealed under from now on. */
  readonly current: string;
  /**
   * Keys by id (1 to 64 of `A-Z a-z 0-9 _ -`): 32 bytes, raw or as base64 (either alphabet), or where to find them, or a
   * key service. Keep a key as long as a record names it, and keep them out of the database that holds the records.
   */
  readonly keys: Readonly<Record<string, KeyEncryptionKey | KeyEncryptionService>>;
  /** Where `{ env }` is looked up. @default process.env */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** How long one call of a key service may take. @default 5_000 */
  readonly serviceTimeoutMs?: number;
  readonly runtime?: Runtime;
}

/** Key encryption keys ready for use. They cannot be read back, and printing the ring does not show them. */
export interface KeyEncryptionRing {
  /** Id of the key that secrets are sealed under. */
  readonly current: string;
  /** Whether secrets that were sealed under this key can be opened. */
  has(keyId: string): boolean;
  /** Wraps a data key under the current key. @throws SecretError `key_encryption_key_unavailable` */
  wrap(dataKey: Uint8Array, context: string): Uint8Array | Promise<Uint8Array>;
  /**
   * The data key, synchronous unless a key service holds the key. `secret` is named in errors.
   *
   * @throws SecretError `key_encryption_key_unknown`, `key_encryption_key_unavailable`, `secret_not_authentic`
   */
  unwrap(
    keyId: string,
    wrapped: Uint8Array,
    context: string,
    secret: string,
  ): Uint8Array | Promise<Uint8Array>;
}

/**
 * Creates a ring of key encryption keys. To rotate: add a key, name it `current`, run the vault's `rewrapAll`, and drop
 * the old key when no record names it. A key may wrap 2^32 data keys (NIST SP 800-38D, random vectors).
 * @throws TypeError when a key is not 32 bytes, cannot be found, or `current` is not among them
 */
export function createKeyEncryptionRing(options: KeyEncryptionRingOptions): KeyEncryptionRing {
  const { current, environment = process.env, runtime = createRuntime() } = options;
  const name = 'createKeyEncryptionRing';
  const timeoutMs = readInteger(
    `${name}: "serviceTimeoutMs"`,
    options.serviceTimeoutMs,
    5_000,
    1,
    maxTimerMs,
  );
  const keys = new Map<string, RingKey>();
  for (const [id, source] of Object.entries(options.keys)) {
    if (!keyIdPattern.test(id)) {
      throw new TypeError(`${name}: the id "${id}" in "keys" must be 1 to 64 of A-Z a-z 0-9 _ -.`);
    }
    const key = isService(source)
      ? toServiceKey(id, source, runtime, timeoutMs)
      : toLocalKey(id, source, environment);
    keys.set(id, key);
  }
  const currentKey = keys.get(current);
  if (!currentKey) throw new TypeError(`${name}: "current" names "${current}", which is not in "keys".`);
  return {
    current,
    has: (keyId) => keys.has(keyId),
    wrap: (dataKey, context) => currentKey.wrap(dataKey, context),
    unwrap(keyId, wrapped, context, secret) {
      const key = keys.get(keyId);
      if (key) return key.unwrap(wrapped, context, secret);
      throw new SecretError(
        'key_encryption_key_unknown',
        `The secret "${secret}" is sealed under the key "${keyId}", which the ring does not hold.`,
        { secret },
      );
    },
  };
}

function isService(source: KeyEncryptionKey | KeyEncryptionService): source is KeyEncryptionService {
  return typeof source === 'object' && source !== null && 'wrap' in source && 'unwrap' in source;
}

function toLocalKey(
  id: string,
  source: KeyEncryptionKey,
  environment: Readonly<Record<string, string | undefined>>,
): RingKey {
  const key = readKeyEncryptionKey(`createKeyEncryptionRing: "keys.${id}"`, source, environment);
  const bind = (context: string): Uint8Array => Buffer.from(`${id} ${context}`, 'utf8');
  return {
    wrap: (dataKey, context) => encrypt(key, dataKey, bind(context)),
    unwrap(wrapped, context, secret) {
      const dataKey = decrypt(key, wrapped, bind(context));
      if (dataKey === undefined) throw notAuthentic(secret);
      return dataKey;
    },
  };
}
