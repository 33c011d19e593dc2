import type { ChangeListener, Unwatch } from './watch.ts';

/**
 * A provider credential as a store holds it: sealed, see `secrets/envelope.ts`. It is useless without the key
 * encryption key.
 */
export interface SecretRecord {
  /** 1 to 128 of `A-Z a-z 0-9 . _ - : /`; the configuration refers to it as `{ store: id }`. */
  readonly id: string;
  /** The provider entry that it is for. */
  readonly provider: string;
  /**
   * `gateway`: named by the configuration. `project` and `user`: the own key (BYOK) of the project or user in
   * `subject`, used for its requests to this provider.
   */
  readonly scope: 'gateway' | 'project' | 'user';
  /** The project or user; present unless `scope` is `gateway`. */
  readonly subject?: string;
  /** The sealed secret. */
  readonly sealed: string;
  /** A display name. */
  readonly label?: string;
  readonly createdAtMs: number;
  readonly createdBy?: string;
  /** When the secret itself was last replaced. */
  readonly rotatedAtMs: number;
  /** Grows by one with every change. Part of what the seal is bound to. */
  readonly version: number;
}

/**
 * Where sealed provider credentials live. Sealing, opening, caching and rotation are implemented once above it, in
 * `createVault`.
 */
export interface SecretStore {
  /** One record, or `null` when there is none; MUST throw when the store cannot tell. */
  findSecret(id: string): Promise<SecretRecord | null>;
  /**
   * All records in the order of their ids (by code unit), a page at a time: those after `after`, at most `limit` (1 to
   * 1,000).
   */
  listSecrets(query: { readonly after?: string; readonly limit: number }): Promise<readonly SecretRecord[]>;
  /**
   * Stores a record whose `version` is `expectedVersion + 1`, if and only if the stored one has `expectedVersion` (0:
   * there is none). Atomic like `putKey`.
   */
  putSecret(record: SecretRecord, expectedVersion: number): Promise<boolean>;
  /** Removes a record if it has this version. Resolves to whether it did. */
  removeSecret(id: string, expectedVersion: number): Promise<boolean>;
  /** A number that grows with every change to a secret, removal included. It is polled. */
  readSecretsStamp(): Promise<number>;
  /** Reports changed secrets by id. Optional, with the same obligations as `KeyStore.watchKeys`. */
  watchSecrets?(listener: ChangeListener): Unwatch;
}
