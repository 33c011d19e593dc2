import { pause } from '../deadline.ts';
import { createRuntime, type Runtime } from '../runtime.ts';
import type { SecretRecord, SecretStore } from '../stores/secret-store.ts';
import { sealedUnder, sealSecret } from './envelope.ts';
import type { KeyEncryptionRing } from './key-encryption-ring.ts';
import { checkNewSecret, type NewSecret } from './new-secret.ts';
import { readInteger } from './option.ts';
import { type RewrapOptions, type RewrapReport, rewrapAll } from './rewrap-all.ts';
import { SecretError } from './secret-error.ts';

/** What may be shown of a stored secret. */
export interface SecretInfo extends Omit<SecretRecord, 'sealed'> {
  /** Id of the key that it is sealed under; `undefined` when the stored text is damaged. */
  readonly keyId: string | undefined;
}

/** Which secrets to list. */
export interface SecretQuery {
  /** Only ids that sort after this one, for the next page. */
  readonly after?: string;
  /** 1 to 1,000. @default 100 */
  readonly limit?: number;
}

/** Changes a store of secrets. Write-only: nothing here returns a secret. */
export interface VaultAdmin {
  /**
   * Stores a secret, or replaces the text of the one with this id; its label stays when none is given.
   *
   * @throws SecretError `secret_invalid` naming what is wrong, `secret_mismatch` when the id is taken by another
   *   provider, scope or subject, `secret_conflict` when others changed it five times in between; whatever the store throws
   */
  put(secret: NewSecret): Promise<SecretInfo>;
  /** Removes a secret; `true` if there was one. @throws SecretError `secret_conflict`; whatever the store throws */
  remove(id: string): Promise<boolean>;
  /** Secrets in the order of their ids, a page at a time. */
  list(query?: SecretQuery): Promise<readonly SecretInfo[]>;
  /**
   * Seals every secret again that is not sealed under the ring's current key. Secrets stay in use meanwhile. May be
   * stopped and restarted: finished ones are skipped. Two at once do no harm.
   */
  rewrapAll(options?: RewrapOptions): Promise<RewrapReport>;
}

/** Options of `createVaultAdmin`. */
export interface VaultAdminOptions {
  readonly store: SecretStore;
  readonly ring: KeyEncryptionRing;
  readonly runtime?: Runtime;
  /** Awaited after a secret was put or removed, before the caller is told. */
  readonly onChange?: (id: string) => Promise<void>;
}

const maxTries = 5;
const maxPauseMs = 10;

/**
 * Creates only the writing side of a vault, for tools that serve no requests. `createVault` has it too.
 */
export function createVaultAdmin(options: VaultAdminOptions): VaultAdmin {
  const { store, ring, runtime = createRuntime(), onChange } = options;

  /** Runs `step` until it has a result, or five times. */
  const retry = async <T>(id: string, step: () => Promise<T | undefined>): Promise<T> => {
    for (let tries = 1; ; tries++) {
      const done = await step();
      if (done !== undefined) {
        await onChange?.(id);
        return done;
      }
      if (tries === maxTries) throw conflict(id);
      await pause(runtime, runtime.random() * maxPauseMs * tries);
    }
  };

  return {
    put(secret) {
      const wanted = checkNewSecret(secret);
      const { id, text, label, author, ...belongs } = wanted;
      return retry(id, async () => {
        const stored = await store.findSecret(id);
        if (stored) requireSame(stored, belongs);
        const nowMs = runtime.now();
        const createdBy = stored ? stored.createdBy : author;
        const shownAs = label ?? stored?.label;
        const binding = {
          id,
          ...belongs,
          createdAtMs: stored?.createdAtMs ?? nowMs,
          version: (stored?.version ?? 0) + 1,
        };
        const record: SecretRecord = {
          ...binding,
          sealed: await sealSecret(ring, text, binding),
          ...(shownAs !== undefined && { label: shownAs }),
          ...(createdBy !== undefined && { createdBy }),
          rotatedAtMs: nowMs,
        };
        return (await store.putSecret(record, record.version - 1)) ? toInfo(record) : undefined;
      });
    },
    remove: (id) =>
      retry(id, async () => {
        const stored = await store.findSecret(id);
        if (!stored) return false;
        return (await store.removeSecret(id, stored.version)) || undefined;
      }),
    async list({ after, limit: given } = {}) {
      const limit = readInteger('list: "limit"', given, 100, 1, 1_000);
      const page = await store.listSecrets({ limit, ...(after !== undefined && { after }) });
      return page.map(toInfo);
    },
    rewrapAll: (given) => rewrapAll(store, ring, runtime, given),
  };
}

function requireSame(stored: SecretRecord, wanted: Pick<SecretRecord, 'provider' | 'scope' | 'subject'>) {
  const isSame =
    stored.provider === wanted.provider && stored.scope === wanted.scope && stored.subject === wanted.subject;
  if (isSame) return;
  const owner = stored.subject === undefined ? stored.scope : `${stored.scope} "${stored.subject}"`;
  throw new SecretError(
    'secret_mismatch',
    `The secret "${stored.id}" is for the provider "${stored.provider}" and the ${owner}. Remove it first, or choose another id.`,
    { secret: stored.id },
  );
}

function toInfo({ sealed, ...rest }: SecretRecord): SecretInfo {
  try {
    return { ...rest, keyId: sealedUnder(sealed, rest.id) };
  } catch {
    return { ...rest, keyId: undefined };
  }
}

function conflict(id: string): SecretError {
  return new SecretError('secret_conflict', `The secret "${id}" is being changed by others. Try again.`, {
    secret: id,
  });
}
