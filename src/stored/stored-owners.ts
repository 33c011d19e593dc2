import { LRUCache } from 'lru-cache';
import type { Principal } from '../principal.ts';
import { createRuntime, type Runtime } from '../runtime.ts';

/** Who had a provider store something. */
export type StoredOwner = Pick<Principal, 'key' | 'team' | 'project' | 'user'>;

/**
 * Remembers who had a provider store a response or a batch, by the id that the provider gave it: providers know only
 * the gateway's credential, and would show anyone's to everyone. Several gateways need a shared one.
 */
export interface StoredOwners {
  /** Notes the owner at creation. The reply does not wait for it; a rejection is reported. */
  note(id: string, owner: StoredOwner): void | Promise<void>;
  /** The owner; `null` when that is not known. @throws Error when it cannot tell */
  find(id: string): StoredOwner | null | Promise<StoredOwner | null>;
}

/** Bounds on what is kept in memory. */
export interface MemoryStoredOwnersOptions {
  /** The least recently used goes first. @default 100_000 */
  readonly max?: number;
  /** @default 30 days, after which OpenAI and Anthropic have removed it too */
  readonly ttlMs?: number;
  /** @default createRuntime() */
  readonly runtime?: Runtime;
}

/**
 * Remembers in this process, and for as long as it runs.
 *
 * @throws TypeError when `max` is not a positive integer
 */
export function createMemoryStoredOwners(options: MemoryStoredOwnersOptions = {}): StoredOwners {
  const { max = 100_000, ttlMs = 30 * 86_400_000, runtime = createRuntime() } = options;
  const owners = new LRUCache<string, { readonly owner: StoredOwner; readonly endsAtMs: number }>({ max });
  return {
    note(id, { key, team, project, user }) {
      owners.set(id, { owner: { key, team, project, user }, endsAtMs: runtime.monotonicMs() + ttlMs });
    },
    find(id) {
      const found = owners.get(id);
      return found !== undefined && runtime.monotonicMs() < found.endsAtMs ? found.owner : null;
    },
  };
}

/** The same, but `note` neither rejects nor throws: failures are reported. */
export function reporting(owners: StoredOwners, report: (error: unknown) => void): StoredOwners {
  return {
    async note(id, owner) {
      try {
        await owners.note(id, owner);
      } catch (error) {
        report(error);
      }
    },
    find: (id) => owners.find(id),
  };
}
