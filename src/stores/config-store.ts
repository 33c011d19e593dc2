import type { GatewayConfig } from '../config/schema.ts';
import type { ChangeListener, Unwatch } from './watch.ts';

/** What is known of one version of the configuration without the configuration itself. */
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

/** A version that is to be appended; the store gives it nothing but its place. */
export type NewConfigVersion = Omit<ConfigVersion, 'number'>;

/**
 * Where the configuration lives, version by version. The smallest thing that a backend must do: validation, diff,
 * rollback, polling and the swap in the gateway are written once above it (`createConfigService`, `followConfig`).
 */
export interface ConfigStore {
  /**
   * The latest version, or `null` when there is none yet. MUST throw when the store cannot tell. The result MUST NOT
   * change afterwards.
   */
  readLatest(): Promise<ConfigVersion | null>;
  /** One version; `null` when there is no such one (any more). */
  readVersion(number: number): Promise<ConfigVersion | null>;
  /** Number of the latest version, 0 for none: what is polled, so it must cost next to nothing. */
  readNumber(): Promise<number>;
  /** Newest first, those below `before`, at most `limit` (1 to 1,000, default 100). */
  listVersions(query?: {
    readonly before?: number;
    readonly limit?: number;
  }): Promise<readonly ConfigVersionInfo[]>;
  /**
   * Appends a version behind `expectedNumber` (0: there is none yet). MUST be one atomic step against every other
   * writer on every node: resolves to the stored version with the number `expectedNumber + 1`, or to `null` when
   * `expectedNumber` is not the latest. Watchers are told afterwards.
   */
  appendVersion(version: NewConfigVersion, expectedNumber: number): Promise<ConfigVersion | null>;
  /**
   * Tells of new versions by their number, as soon as the backend can. Optional, as in `KeyStore.watchKeys`, with the
   * same obligations.
   */
  watchConfig?(listener: ChangeListener): Unwatch;
}
