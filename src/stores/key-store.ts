import type { LimitConfig } from '../config/schema.ts';
import type { ChangeListener, Unwatch } from './watch.ts';

/** A key as a store holds it. The secret itself is never stored, only its HMAC. */
export interface KeyRecord {
  /** Public id, the `<kid>` in `hg_<env>_<kid>_<secret><crc>`. */
  readonly kid: string;
  /** HMAC-SHA-256 of the secret part under the pepper `pepperId`, 32 bytes as lower-case hex. */
  readonly secretHash: string;
  readonly pepperId: string;
  readonly team: string;
  readonly project?: string;
  readonly owner?: string;
  /** The agent or application the key was made for. */
  readonly application?: string;
  /** Environment named in the key (`live`, `test`, …). */
  readonly environment: string;
  /** Narrows the profile; patterns as in a profile. Never widens it. */
  readonly models?: readonly string[];
  /** Limits of this key alone, on top of all it inherits. */
  readonly limits?: readonly LimitConfig[];
  /** Milliseconds since the epoch; the key is refused from this instant on. */
  readonly expiresAtMs?: number;
  readonly revokedAtMs?: number;
  readonly createdAtMs: number;
  /** Who made it. */
  readonly createdBy?: string;
  /** A display name. */
  readonly name?: string;
  /** Last four characters of the secret, to recognise a key in a list. */
  readonly last4: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The secret before the last rotation; accepted until `graceUntilMs`, refused from that instant on. */
  readonly previous?: PreviousSecret;
  /** When it was last used. Coalesced: up to a minute behind, and a node that dies loses its last minute. */
  readonly lastUsedAtMs?: number;
  /** When the previous secret was last used after its rotation; such a use moves `lastUsedAtMs` as well. */
  readonly previousUsedAtMs?: number;
  /**
   * Grows by one with every change except use. A cache never replaces a record with one of a smaller version, so a read
   * overtaken by a revocation cannot bring the key back. @default 0, for stores that have none
   */
  readonly version?: number;
}

/** A secret that a rotation replaced. */
export interface PreviousSecret {
  readonly secretHash: string;
  readonly pepperId: string;
  readonly last4: string;
  readonly graceUntilMs: number;
}

/**
 * Where keys live. The least a backend must do: everything above it (hashing, constant-time comparison, caching,
 * expiry) is implemented once in `resolveKey`.
 */
export interface KeyStore {
  /**
   * Finds a key by its public id.
   *
   * MUST return `null` when no such key exists, and MUST throw when the store cannot tell: the gateway answers 401
   * to the first and 503 to the second, and never confuses them. Revoked and expired keys are returned as they are.
   * MUST be safe to call concurrently, and a returned record MUST NOT change afterwards.
   */
  findKey(kid: string): Promise<KeyRecord | null>;
  /**
   * Reports changed keys by kid, whoever changed them, as soon as the backend can. Optional: without it a change is
   * seen when the cache time is over. MUST return at once and connect in the background, MUST call the listener with
   * `undefined` when it begins to listen and after every gap, and MUST NOT throw.
   */
  watchKeys?(listener: ChangeListener): Unwatch;
  /**
   * Notes when keys were last used. Optional. MUST only ever move a time forward, MUST NOT change `version` nor tell
   * watchers, and ignores unknown kids. Called off the request path with at most one entry a minute for each key.
   */
  noteUses?(uses: readonly KeyUse[]): Promise<void>;
  /**
   * Reads the store's own clock, in milliseconds since the epoch. Keys expire by it on every gateway, however wrong a
   * gateway's own clock is. Optional: without it each gateway uses its own. MUST NOT resolve to a time before the call
   * began or after it ended, by the store's clock. Called beside a read about once a minute, never for a cached key.
   */
  readClockMs?(): Promise<number>;
}

/** One use of a key. */
export interface KeyUse {
  readonly kid: string;
  readonly usedAtMs: number;
  /** Whether the secret was the one before the last rotation. */
  readonly previous: boolean;
}

/** Which keys to list; all given conditions must hold. */
export interface KeyQuery {
  readonly team?: string;
  readonly project?: string;
  readonly owner?: string;
  /** Only keys that are not revoked. Expired ones are listed. @default false */
  readonly active?: boolean;
  /** Only keys last used before this instant, or never used and created before it. */
  readonly unusedSinceMs?: number;
  /** Only kids that sort after this one, for the next page. */
  readonly after?: string;
  /** 1 to 1,000. @default 100 */
  readonly limit?: number;
}

/**
 * A key store that can be changed. Creating, rotating and revoking are implemented once above it, in
 * `createKeyService`.
 */
export interface WritableKeyStore extends KeyStore {
  /**
   * Stores a record whose `version` is `expectedVersion + 1`, if and only if the stored one has `expectedVersion` (0:
   * there is no such key). MUST be one atomic step against every other writer on every node; of several that expect the
   * same version exactly one wins. `lastUsedAtMs` and `previousUsedAtMs` are taken where newer than what `noteUses` has
   * noted, and never set back. Resolves to whether it was stored; if so, every `findKey` that begins later sees it, and
   * watchers are told.
   */
  putKey(record: KeyRecord & { readonly version: number }, expectedVersion: number): Promise<boolean>;
  /** Keys in the order of their kids (by code unit), a page at a time. */
  listKeys(query: KeyQuery): Promise<readonly KeyRecord[]>;
  watchKeys(listener: ChangeListener): Unwatch;
  noteUses(uses: readonly KeyUse[]): Promise<void>;
}
