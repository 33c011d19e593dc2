import type { Ledger } from '../limits/ledger.ts';
import type { ConfigStore } from './config-store.ts';
import type { Hints } from './hints.ts';
import type { WritableKeyStore } from './key-store.ts';
import type { SecretStore } from './secret-store.ts';

/** One backend and all it keeps. */
export interface Stores {
  /** `memory`, `file`, `sqlite`, `postgres` or `redis`. */
  readonly backend: string;
  readonly keys: WritableKeyStore;
  readonly config: ConfigStore;
  readonly secrets: SecretStore;
  /** What is used and held of every limit; absent where the backend keeps none. */
  readonly ledger?: Ledger;
  /** Carries best-effort messages between nodes; absent where the backend has no push. */
  readonly hints?: Hints;
  /**
   * Brings the schema to the version that this release needs; does nothing when it is there already. Safe to call from
   * several nodes at once, and while the previous release is running. Resolves to the steps it did.
   *
   * @throws Error when the schema was made by a release that this one cannot work with, or the backend cannot be
   * reached
   */
  migrate(): Promise<readonly string[]>;
  /** Ends watches and closes the connections that these stores opened; a client that was passed in stays open. */
  close(): Promise<void>;
}
