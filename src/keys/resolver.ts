import { LRUCache } from 'lru-cache';
import { type GatewayError, isGatewayError } from '../errors.ts';
import type { HeaderMap } from '../message.ts';
import type { Runtime } from '../runtime.ts';
import type { KeyRecord, KeyStore } from '../stores/key-store.ts';
import { readCredential } from './credential.ts';
import { type CountFailure, createFailedKeyCounter, type FailedKeysOptions } from './failed-keys.ts';
import { createKeyCache, defaultMaxKeys, type KeyCacheOptions } from './key-cache.ts';
import { parseKey } from './key-format.ts';
import { type PepperRing, verifySecret } from './key-hash.ts';
import { createKeyReader, type KeyReadsOptions } from './key-reader.ts';
import { invalidKey, notLookedUp, tooManyFailedKeys, unauthorized } from './refusal.ts';
import { createSecretMatcher, type SecretMatch } from './secret-matcher.ts';
import { createStoreClock, withClock } from './store-clock.ts';

/** A parsed credential. */
export interface CredentialParts {
  /** Looked up in the store. Public: it may be logged. */
  readonly kid: string;
  /** Proves the key. */
  readonly secret: string;
  /** When given, a record of another environment is refused. */
  readonly environment?: string;
}

/** Options of `createKeyResolver`. */
export interface KeyResolverOptions {
  /** Where the keys are. */
  readonly store: KeyStore;
  readonly runtime: Runtime;
  /** Peppers that the store's hashes were made with. Required unless `verify` is given. */
  readonly peppers?: PepperRing;
  /** How long the store's answers are trusted. */
  readonly cache?: KeyCacheOptions;
  /** Bounds on reading the store. */
  readonly reads?: KeyReadsOptions;
  /** Bounds on failed authentication, or a counter shared with other ways to authenticate. */
  readonly failedKeys?: FailedKeysOptions | CountFailure;
  /**
   * Parses a credential, for keys of another format. Returns `undefined` for what cannot be a key, which is refused
   * without asking the store. Receives 1 to 256 visible ASCII characters. @default parseKey
   */
  readonly parse?: (credential: string) => CredentialParts | undefined;
  /**
   * Whether `secret` belongs to `record`, for other hashes. Called with `null` when there is no such key, and must
   * then do the same work and return `false`, so that timing does not reveal which kids exist. Must be fast, and must
   * compare in constant time. Anything but `true` refuses the key. Called twice for each secret that is not known yet:
   * with the current record, and with the record as it was before its last rotation (`null` when there was none).
   * @default verifySecret with `peppers`
   */
  readonly verify?: (record: KeyRecord | null, secret: string) => boolean;
  /**
   * Called for every accepted key, with whether its secret is the one before the last rotation, and the time on the
   * clock that keys expire by; see `createUseRecorder`. On the request path: must return at once and not throw.
   * @default not called
   */
  readonly onUse?: (record: KeyRecord, isPrevious: boolean, usedAtMs: number) => void;
  /**
   * Called for each secret that was hashed and found valid, about once for every read of its key, with whether it is
   * the one before the last rotation; see `createRehasher`. On the request path: must return at once and not throw, and
   * must not keep the secret. @default not called
   */
  readonly onVerified?: (record: KeyRecord, secret: string, isPrevious: boolean) => void;
}

/** Identifies callers. */
export interface KeyResolver {
  /**
   * The record of the key in these headers: genuine, not expired, not revoked. Synchronous when the key is cached
   * (refusals are then thrown synchronously), otherwise a promise: `await` covers both.
   *
   * @param query The raw query string, which must not carry a key.
   * @param remoteAddress Address of the peer; failures are counted by it.
   * @throws GatewayError 401 `missing_key`, `invalid_key`, `expired_key`, `revoked_key`, `key_rotated` (the secret
   *   before the last rotation, once its grace has ended); 400 `ambiguous_credentials`, `key_in_query`; 429
   *   `too_many_failed_keys` instead of a 401, or instead of a look-up, for an address that sent too many failing keys;
   *   503 `store_unavailable` when the store failed and no recent enough record is cached
   */
  resolve(headers: HeaderMap, query: string, remoteAddress?: string): KeyRecord | Promise<KeyRecord>;
  /**
   * Call when a key was changed or revoked: the next request reads it again. Neither a read already in flight nor a
   * record with a smaller version brings the old record back. Also the only way to make a key that was seen revoked
   * usable again, in stores of your own that allow it.
   */
  forget(kid: string): void;
  /**
   * Call when any key may have changed, as after a watch lost its connection: every key is read again before it is
   * trusted. While the store fails, keys stay usable for the time set in `cache.staleMs`.
   */
  forgetAll(): void;
  /**
   * The record of a key by its public id, without a credential, as `resolve` knows it: synchronous when cached,
   * otherwise a promise that rejects with `store_unavailable`; `null` when there is no such key. Needed to end running
   * requests with their key (`relay.onRevoke`). @default they continue
   */
  find?(kid: string): KeyRecord | null | Promise<KeyRecord | null>;
  /** The clock that it uses, milliseconds since the epoch. @default the gateway's own */
  nowMs?(): number;
}

/**
 * Creates a resolver. It takes one credential from the headers, checks its form, looks it up (cached, single-flight,
 * with a deadline), verifies it in constant time, and checks revocation and expiry. `expiresAtMs` and
 * `previous.graceUntilMs` are compared with the store's clock (`readClockMs`), or with the runtime's wall clock if the
 * store has none; the key, or its old secret, is refused from that millisecond on.
 *
 * @throws TypeError naming the option that is missing or out of range
 */
export function createKeyResolver(options: KeyResolverOptions): KeyResolver {
  const { store, runtime, peppers, parse = parseKey } = options;
  if (typeof store?.findKey !== 'function')
    throw new TypeError('createKeyResolver: "store" must be a KeyStore.');
  if (!options.verify && !peppers) throw new TypeError('createKeyResolver: "peppers" or "verify" is needed.');
  const verify = options.verify ?? ((record, secret) => verifySecret(peppers as PepperRing, record, secret));
  const clock = createStoreClock(store, runtime);
  const read = createKeyReader(withClock(store, clock), runtime, options.reads ?? {});
  const cache = createKeyCache(read, runtime, options.cache ?? {});
  const { failedKeys = {} } = options;
  const countFailure =
    typeof failedKeys === 'function' ? failedKeys : createFailedKeyCounter(runtime, failedKeys);

  const matcher = createSecretMatcher(verify, runtime, clock, options.onVerified);
  // of accepted credentials, so that they need not be parsed again; a host's own `parse` may answer differently by now
  const recognises = options.parse === undefined;
  const kids = new LRUCache<string, string>({ max: options.cache?.max ?? defaultMaxKeys });
  const { onUse } = options;
  const accept = (record: KeyRecord, { isPrevious }: SecretMatch): KeyRecord => {
    onUse?.(record, isPrevious, Math.floor(clock.nowMs()));
    return record;
  };
  const check = (found: KeyRecord | null, parts: CredentialParts, digest: string): KeyRecord => {
    const { kid, secret, environment } = parts;
    // a record of another environment counts as none, and costs as much
    const record = environment === undefined || environment === found?.environment ? found : null;
    const match = (record && matcher.recall(record, digest)) ?? matcher.match(record, secret, digest);
    if (match === undefined || record === null) throw invalidKey();
    if (match.refusal !== undefined) throw unauthorized(match.refusal, refusalTexts[match.refusal]);
    if (recognises) kids.set(digest, kid);
    return accept(record, match);
  };
  const toAnswer = (error: unknown, remoteAddress: string | undefined): unknown => {
    if (!isFailedKey(error)) return error;
    const retryAfterSeconds = countFailure(remoteAddress);
    return retryAfterSeconds > 0 ? tooManyFailedKeys(retryAfterSeconds, error) : error;
  };

  const admit = (remoteAddress: string | undefined): void => {
    const retryAfterSeconds = countFailure.lookUp?.(remoteAddress) ?? 0;
    if (retryAfterSeconds > 0) throw notLookedUp(retryAfterSeconds);
  };

  /** The key's record, if this exact credential was accepted for it and it is still current. */
  const recognise = (digest: string, remoteAddress: string | undefined): KeyRecord | undefined => {
    const kid = kids.get(digest);
    const record = kid !== undefined && cache.find(kid, () => admit(remoteAddress));
    if (!record || record instanceof Promise) return undefined;
    const match = matcher.recall(record, digest);
    return match && accept(record, match);
  };

  return {
    resolve(headers, query, remoteAddress) {
      try {
        const credential = readCredential(headers, query);
        const digest = matcher.digestOf(credential);
        const known = recognise(digest, remoteAddress);
        if (known) return known;
        const parts = parse(credential);
        if (parts === undefined) throw invalidKey();
        const found = cache.find(parts.kid, () => admit(remoteAddress));
        if (!(found instanceof Promise)) return check(found, parts, digest);
        return found
          .then((record) => check(record, parts, digest))
          .catch((error) => {
            throw toAnswer(error, remoteAddress);
          });
      } catch (error) {
        throw toAnswer(error, remoteAddress);
      }
    },
    find: (kid) => cache.find(kid),
    forget: cache.forget,
    forgetAll: cache.forgetAll,
    nowMs: clock.nowMs,
  };
}

const refusalTexts = {
  revoked_key: 'The key was revoked. Use another one.',
  expired_key: 'The key has expired. Use another one.',
  key_rotated:
    'The key was rotated, and this is its old secret, which is not accepted any more. Use the new one.',
} as const;

const failedKeyCodes: ReadonlySet<string> = new Set([
  'invalid_key',
  'expired_key',
  'revoked_key',
  'key_rotated',
]);

// A request without a key guesses nothing; a malformed one is the caller's mistake, not a guess.
function isFailedKey(error: unknown): error is GatewayError {
  if (!isGatewayError(error)) return false;
  return failedKeyCodes.has(error.code);
}
