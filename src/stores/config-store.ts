import type { GatewayConfig } from '../config/schema.ts';
import type { ChangeListener, Unwatch } from './watch.ts';

/** One version of the configuration, without the configuration itself. */
export interface ConfigVersionInfo {
  /** 1, 2, 3, …, without gaps. */
  readonly number: number;
  /** Who made it. */
  readonly author: string;
  readonly createdAtMs: number;
  /** Why. */
  readonly message?: string;
  /** SHA-256 of the configuration's canonical JSON, lower-case hex. */
  readonly digest: string;
}

/** One version of the configuration. It never changes. */
export interface ConfigVersion extends ConfigVersionInfo {
  /** Plain JSON: no functions, no literal secrets. */
  readonly config: GatewayConfig;
}

/** A version to append; the store adds only its number. */
export type NewConfigVersion = Omit<ConfigVersion, 'number'>;

/**
 * Where the configuration lives, version by version. The least a backend must do: validation, diff, rollback, polling
 * and the swap in the gateway are implemented once above it (`createConfigService`, `followConfig`).
 */
export interface ConfigStore {
  /**
   * The latest version, or `null` when there is none yet. MUST throw when the store cannot tell. The result MUST NOT
   * change afterwards.
   */
  readLatest(): Promise<ConfigVersion | null>;
  /** One version, or `null` when it does not exist (any more). */
  readVersion(number: number): Promise<ConfigVersion | null>;
  /** Number of the latest version, 0 for none. It is polled, so it must cost next to nothing. */
  readNumber(): Promise<number>;
  /** The versions below `before`, newest first, at most `limit` (1 to 1,000, default 100). */
  listVersions(query?: {
    readonly before?: number;
    readonly limit?: number;
  }): Promise<readonly ConfigVersionInfo[]>;
  /**
   * Appends a version after `expectedNumber` (0: there is none yet). MUST be one atomic step against every other writer
   * on every node: resolves to the stored version with the number `expectedNumber + 1`, or to `null` when
   * `expectedNumber` is not the latest. Watchers are told afterwards.
   */
  appendVersion(version: NewConfigVersion, expectedNumber: number): Promise<ConfigVersion | null>;
  /**
   * Reports new versions by number, as soon as the backend can. Optional, with the same obligations as
   * `KeyStore.watchKeys`.
   */
  watchConfig?(listener: ChangeListener): Unwatch;
}
