import { quietly } from '../quietly.ts';
import { createRuntime, type Runtime } from '../runtime.ts';
import type { SecretRecord, SecretStore } from '../stores/secret-store.ts';
import type { KeyEncryptionRing } from './key-encryption-ring.ts';
import { createOpenedSecrets, type OpenedSecretsOptions, type SecretResult } from './opened-secrets.ts';
import { maxTimerMs, readInteger } from './option.ts';
import { SecretError } from './secret-error.ts';
import { createVaultAdmin, type VaultAdmin } from './vault-admin.ts';
import { createVaultFollower, type FollowOptions } from './vault-follower.ts';
import { createVaultRecords } from './vault-records.ts';

/** Options of `createVault`. */
export interface VaultOptions extends FollowOptions, OpenedSecretsOptions {
  readonly store: SecretStore;
  readonly ring: KeyEncryptionRing;
  readonly runtime?: Runtime;
  /**
   * How long the store may be unreachable before its secrets count as unavailable. @default Infinity: a credential
   * stays in use until the store says otherwise, since the provider has the last word on it anyway
   */
  readonly maxStaleMs?: number;
  /**
   * Called for all that needs an operator: a secret that does not open (once for each version of its record), a store
   * that fails (once until it works again), a store that was rolled back. What it throws is ignored.
   */
  readonly onError?: (error: SecretError) => void;
}

/** A project's or user's own secret (BYOK). */
export interface OwnSecret {
  readonly id: string;
  readonly scope: 'project' | 'user';
  readonly subject: string;
  /** As `Vault.get` returns it. If it is an error, the request must not go out under another credential. */
  readonly secret: SecretResult | Promise<SecretResult>;
}

/** Provider credentials of a store: for the request path and, as a `VaultAdmin`, for those who manage them. */
export interface Vault extends VaultAdmin {
  /**
   * Reads all records and begins to follow the store. Rejects with `secret_store_unavailable` when the store fails; the
   * vault keeps trying, so that the caller may start without it or call again.
   */
  load(): Promise<void>;
  /**
   * The gateway's secret with this id, an error that says why it cannot be used, or `undefined` when there is none. A
   * secret of a project or user is an error: nobody is served with another's. With `provider`, so is one for another
   * provider. The same object as long as the text is the same and the secret is in use.
   *
   * Synchronous, unless a key service has to open it first: then a promise, which never rejects.
   */
  get(id: string, provider?: string): SecretResult | Promise<SecretResult> | undefined;
  /**
   * The caller's own secret for this provider: the user's, else the project's, else `undefined`. Of several, the one
   * that was rotated last.
   *
   * @throws SecretError `secret_unavailable` while it is unknown who has one: before `load`, or after `maxStaleMs`
   */
  findOwn(
    provider: string,
    who: { readonly project?: string | undefined; readonly user?: string | undefined },
  ): OwnSecret | undefined;
  /** Keeps this secret open until the returned function is called, so that `get` never has to wait for a key service. */
  hold(id: string): () => void;
  /** Reads one record, or all, now. Rejects when the store fails. */
  refresh(id?: string): Promise<void>;
  /** Stops following and forgets what is open. */
  close(): Promise<void>;
}

/**
 * Creates a vault over a store of sealed secrets. Records are kept in memory as they are stored, sealed; a secret is
 * opened on first use and forgotten when it has not been used for a while. A change made through this vault is in force
 * when `put` or `remove` resolves, one made elsewhere when the store pushes it, or at the next poll.
 *
 * @throws TypeError when an option is out of its range
 */
export function createVault(options: VaultOptions): Vault {
  const { store, ring, runtime = createRuntime(), maxStaleMs = Number.POSITIVE_INFINITY, onError } = options;
  if (!(maxStaleMs > 0)) throw new TypeError('createVault: "maxStaleMs" must be above 0.');
  const integer = (name: keyof VaultOptions, fallback: number, max: number): number =>
    readInteger(`createVault: "${name}"`, options[name] as number | undefined, fallback, 1, max);
  const report = quietly(onError);
  const records = createVaultRecords(report);
  const bounds = {
    openTtlMs: integer('openTtlMs', 60_000, maxTimerMs),
    maxOpen: integer('maxOpen', 1_000, 1_000_000),
    maxOpening: integer('maxOpening', 100, 100_000),
    retryMs: integer('retryMs', 1_000, maxTimerMs),
  };
  const opened = createOpenedSecrets(ring, runtime, bounds, report);
  const follower = createVaultFollower({
    store,
    records,
    runtime,
    options: {
      pollMs: integer('pollMs', 1_000, maxTimerMs),
      deadlineMs: integer('deadlineMs', 5_000, maxTimerMs),
      pageSize: integer('pageSize', 1_000, 1_000),
      maxRecords: integer('maxRecords', 100_000, 10_000_000),
    },
    onChange(ids) {
      for (const id of ids) {
        const record = records.get(id);
        if (record) opened.renew(record);
        else opened.forget(id);
      }
    },
    onPoll: () => opened.sweep(),
    report,
  });
  const admin = createVaultAdmin({
    store,
    ring,
    runtime,
    // the change is stored: a failure to read it back is reported there, and the next poll makes up for it
    onChange: (id) => follower.refresh(id).catch(() => undefined),
  });

  const describeStale = (): string | undefined => {
    const { freshAtMs } = follower;
    if (freshAtMs === undefined) return 'The vault has not been loaded yet.';
    if (maxStaleMs === Number.POSITIVE_INFINITY || runtime.monotonicMs() - freshAtMs <= maxStaleMs)
      return undefined;
    return 'The secret store has been out of reach for too long.';
  };

  return {
    ...admin,
    load() {
      follower.start();
      return follower.refresh();
    },
    get(id, provider) {
      const problem = describeStale();
      if (problem !== undefined) return new SecretError('secret_unavailable', problem, { secret: id });
      const record = records.get(id);
      if (!record) return undefined;
      if (record.scope !== 'gateway') return mismatch(id, `belongs to a ${record.scope}`);
      if (provider !== undefined && record.provider !== provider) {
        return mismatch(id, `is for the provider "${record.provider}", not "${provider}"`);
      }
      return opened.get(record);
    },
    findOwn(provider, { project, user }) {
      const problem = describeStale();
      if (problem !== undefined) throw new SecretError('secret_unavailable', problem);
      const record =
        (user === undefined ? undefined : records.findOwn(provider, 'user', user)) ??
        (project === undefined ? undefined : records.findOwn(provider, 'project', project));
      if (!record) return undefined;
      const { id, scope, subject } = record as SecretRecord & Pick<OwnSecret, 'scope' | 'subject'>;
      return { id, scope, subject, secret: opened.get(record) };
    },
    hold: (id) => opened.hold(id),
    refresh: (id) => follower.refresh(id),
    async close() {
      await follower.close();
      opened.clear();
    },
  };
}

function mismatch(id: string, what: string): SecretError {
  return new SecretError('secret_mismatch', `The secret "${id}" ${what}.`, { secret: id });
}
