import { hash } from 'node:crypto';
import { type GatewayError, isGatewayError } from '../errors.ts';
import type { HeaderMap } from '../message.ts';
import type { Runtime } from '../runtime.ts';
import type { KeyRecord, KeyStore } from '../stores/key-store.ts';
import { readCredential } from './credential.ts';
import { createFailedKeyCounter, type FailedKeysOptions } from './failed-keys.ts';
import { createKeyCache, isRevoked, type KeyCacheOptions } from './key-cache.ts';
import { parseKey } from './key-format.ts';
import { type PepperRing, verifySecret } from './key-hash.ts';
import { createKeyReader, type KeyReadsOptions } from './key-reader.ts';
import { invalidKey, tooManyFailedKeys, unauthorized } from './refusal.ts';

/** A credential taken apart. */
export interface CredentialParts {
  /** What the store is asked for. Public: it may be logged. */
  readonly kid: string;
  /** What proves it. */
  readonly secret: string;
  /** When given, a record of another environment is refused. */
  readonly environment?: string;
}

/** What a key resolver is made of. */
export interface KeyResolverOptions {
  /** Where the keys are. */
  readonly store: KeyStore;
  readonly runtime: Runtime;
  /** Peppers that the store's hashes were made with. Needed unless `verify` is given. */
  readonly peppers?: PepperRing;
  /** How long what the store said is believed. */
  readonly cache?: KeyCacheOptions;
  /** Bounds on reading the store. */
  readonly reads?: KeyReadsOptions;
  /** Bounds on failed authentication. */
  readonly failedKeys?: FailedKeysOptions;
  /**
   * Takes a credential apart, for keys of another format; `undefined` when it cannot be a key, which is answered
   * without asking the store. It is given 1 to 256 visible ASCII characters. @default parseKey
   */
  readonly parse?: (credential: string) => CredentialParts | undefined;
  /**
   * Whether `secret` belongs to `record`, for other hashes. Called with `null` when there is no such key, and must
   * then do the same work and return `false`, so that time does not tell which kids exist. Must be fast, and must
   * compare in constant time. Anything but `true` refuses the key. @default verifySecret with `peppers`
   */
  readonly verify?: (record: KeyRecord | null, secret: string) => boolean;
}

/** Finds out who calls. */
export interface KeyResolver {
  /**
   * The record of the key in these headers: genuine, not expired, not revoked. Returned at once when the key is
   * cached (and refusals then thrown at once), else as a promise: `await` covers both.
   *
   * @param query The raw query string, which must not carry a key.
   * @param remoteAddress Address of the peer; failures are counted by it.
   * @throws GatewayError 401 `missing_key`, `invalid_key`, `expired_key`, `revoked_key`; 400
   *   `ambiguous_credentials`, `key_in_query`; 429 `too_many_failed_keys` in place of a 401; 503
   *   `store_unavailable` when the store failed and no recent enough record is at hand
   */
  resolve(headers: HeaderMap, query: string, remoteAddress?: string): KeyRecord | Promise<KeyRecord>;
  /**
   * Call when a key was changed or revoked: the next request reads it anew, and no read that is already under
   * way brings the old record back. Also the only way to make a key usable again that was seen revoked.
   */
  forget(kid: string): void;
}

/**
 * Makes a resolver: one credential from the headers, checked for form, looked up (cached, single-flight, with a
 * deadline), verified in constant time, checked for revocation and expiry. `expiresAtMs` is compared with the
 * runtime's wall clock; the key is refused from that millisecond on.
 *
 * @example
 * const keys = createKeyResolver({ store: createMemoryKeyStore(records), peppers, runtime: createRuntime() });
 * const record = await keys.resolve(request.headers, request.query, request.remoteAddress);
 * @throws TypeError naming the option that is missing or out of range
 */
export function createKeyResolver(options: KeyResolverOptions): KeyResolver {
  const { store, runtime, peppers, parse = parseKey } = options;
  if (typeof store?.findKey !== 'function')
    throw new TypeError('createKeyResolver: "store" must be a KeyStore.');
  if (!options.verify && !peppers) throw new TypeError('createKeyResolver: "peppers" or "verify" is needed.');
  const verify = options.verify ?? ((record, secret) => verifySecret(peppers as PepperRing, record, secret));
  const read = createKeyReader(store, runtime, options.reads ?? {});
  const cache = createKeyCache(read, runtime, options.cache ?? {});
  const countFailure = createFailedKeyCounter(runtime, options.failedKeys ?? {});

  // A secret that was verified for a record need not be hashed with the pepper again while that record is cached: an
  // eighth of the cost. What is kept is a salted digest of this process's own, never the secret.
  const salt = Buffer.from(runtime.randomBytes(32)).toString('latin1');
  const verified = new WeakMap<KeyRecord, string>();
  const isGenuine = (record: KeyRecord | null, secret: string): record is KeyRecord => {
    const digest = hash('sha256', salt + secret, 'latin1' as 'hex');
    if (record !== null && verified.get(record) === digest) return true;
    // `=== true`: the promise of an asynchronous `verify` must not pass for a yes
    if (verify(record, secret) !== true || record === null) return false;
    verified.set(record, digest);
    return true;
  };
  const check = (record: KeyRecord | null, parts: CredentialParts): KeyRecord => {
    if (!isGenuine(record, parts.secret)) throw invalidKey();
    if (parts.environment !== undefined && parts.environment !== record.environment) throw invalidKey();
    if (isRevoked(record)) throw unauthorized('revoked_key', 'The key was revoked. Use another one.');
    if (isExpired(record, runtime.now())) {
      throw unauthorized('expired_key', 'The key has expired. Use another one.');
    }
    return record;
  };
  const toAnswer = (error: unknown, remoteAddress: string | undefined): unknown => {
    if (!isFailedKey(error)) return error;
    const retryAfterSeconds = countFailure(remoteAddress);
    return retryAfterSeconds > 0 ? tooManyFailedKeys(retryAfterSeconds, error) : error;
  };

  return {
    resolve(headers, query, remoteAddress) {
      try {
        const parts = parse(readCredential(headers, query));
        if (parts === undefined) throw invalidKey();
        const found = cache.find(parts.kid);
        if (!(found instanceof Promise)) return check(found, parts);
        return found
          .then((record) => check(record, parts))
          .catch((error) => {
            throw toAnswer(error, remoteAddress);
          });
      } catch (error) {
        throw toAnswer(error, remoteAddress);
      }
    },
    forget: (kid) => cache.forget(kid),
  };
}

function isExpired(record: KeyRecord, nowMs: number): boolean {
  return record.expiresAtMs !== undefined && record.expiresAtMs !== null && nowMs >= record.expiresAtMs;
}

// A request without a key guesses nothing; what is malformed is the caller's mistake, not an attempt.
function isFailedKey(error: unknown): error is GatewayError {
  if (!isGatewayError(error)) return false;
  return error.code === 'invalid_key' || error.code === 'expired_key' || error.code === 'revoked_key';
}
