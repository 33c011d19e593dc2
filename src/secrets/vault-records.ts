import type { SecretRecord } from '../stores/secret-store.ts';
import { SecretError } from './secret-error.ts';

/** What the vault knows of the store: every record, still sealed. */
export interface VaultRecords {
  get(id: string): SecretRecord | undefined;
  /** The project's or user's own secret for a provider; of several the one that was rotated last. */
  findOwn(provider: string, scope: 'project' | 'user', subject: string): SecretRecord | undefined;
  /** Takes the store's record of one id; returns whether anything changed. */
  set(id: string, record: SecretRecord | null): boolean;
  /** Forgets all but these; returns the forgotten ids. */
  retain(ids: ReadonlySet<string>): readonly string[];
}

/**
 * Keeps records and an index of own secrets. A record object stays the same while the record does. A version below the
 * known one of the same record is not taken: the store was rolled back, by accident or on purpose.
 */
export function createVaultRecords(report: (error: SecretError) => void): VaultRecords {
  const byId = new Map<string, SecretRecord>();
  // by provider, scope and subject; the one to use is first
  const own = new Map<string, SecretRecord[]>();
  const alarmed = new WeakMap<SecretRecord, number>();

  /** The record to keep: the known one when the new one is the same or older. */
  const merge = (record: SecretRecord): SecretRecord => {
    const known = byId.get(record.id);
    if (!known) return record;
    if (record.version < known.version && record.createdAtMs <= known.createdAtMs) {
      if (alarmed.get(known) !== record.version) {
        alarmed.set(known, record.version);
        report(
          new SecretError(
            'secret_rolled_back',
            `The store shows version ${record.version} of the secret "${record.id}" after version ${known.version}; the latter stays in use.`,
            { secret: record.id },
          ),
        );
      }
      return known;
    }
    return isSame(record, known) ? known : record;
  };

  const removeOwn = (record: SecretRecord): void => {
    const key = ownKeyOf(record);
    const others = (key === undefined ? undefined : own.get(key))?.filter((other) => other !== record);
    if (key === undefined || !others) return;
    if (others.length > 0) own.set(key, others);
    else own.delete(key);
  };
  const addOwn = (record: SecretRecord): void => {
    const key = ownKeyOf(record);
    if (key !== undefined) own.set(key, [...(own.get(key) ?? []), record].sort(byPreference));
  };

  const set = (id: string, record: SecretRecord | null): boolean => {
    const known = byId.get(id);
    const next = record === null ? undefined : merge(record);
    if (next === known) return false;
    if (known) removeOwn(known);
    if (next) {
      byId.set(id, next);
      addOwn(next);
    } else byId.delete(id);
    return true;
  };

  return {
    get: (id) => byId.get(id),
    findOwn: (provider, scope, subject) => own.get(toOwnKey(provider, scope, subject))?.[0],
    set,
    retain(ids) {
      const gone = [...byId.keys()].filter((id) => !ids.has(id));
      for (const id of gone) set(id, null);
      return gone;
    },
  };
}

function ownKeyOf({ provider, scope, subject }: SecretRecord): string | undefined {
  if ((scope !== 'project' && scope !== 'user') || subject === undefined) return undefined;
  return toOwnKey(provider, scope, subject);
}

// the length keeps a provider's name from running into the subject, whatever characters a store has put there
function toOwnKey(provider: string, scope: 'project' | 'user', subject: string): string {
  return `${scope}:${provider.length}:${provider}:${subject}`;
}

function byPreference(one: SecretRecord, other: SecretRecord): number {
  if (one.rotatedAtMs !== other.rotatedAtMs) return other.rotatedAtMs - one.rotatedAtMs;
  return one.id < other.id ? -1 : 1;
}

function isSame(one: SecretRecord, other: SecretRecord): boolean {
  return (
    one.version === other.version &&
    one.sealed === other.sealed &&
    one.provider === other.provider &&
    one.scope === other.scope &&
    one.subject === other.subject &&
    one.createdAtMs === other.createdAtMs &&
    one.rotatedAtMs === other.rotatedAtMs
  );
}

/**
 * Whether the record says whose secret it is. Anything else wrong with it shows when it is opened: until then it keeps
 * its place, so that nobody is served with somebody else's secret instead.
 */
export function isSecretRecord(value: unknown): value is SecretRecord {
  const { id, provider, scope, subject } = (value ?? {}) as Record<keyof SecretRecord, unknown>;
  if (typeof id !== 'string' || typeof provider !== 'string') return false;
  return scope === 'gateway' || ((scope === 'project' || scope === 'user') && typeof subject === 'string');
}
