import { LRUCache } from 'lru-cache';
import type { Runtime } from '../runtime.ts';
import type { KeyRecord } from '../stores/key-store.ts';
import type { ReadKey } from './key-reader.ts';
import { isRevoked } from './key-state.ts';
import { requireInteger } from './option.ts';
import { storeUnavailable } from './refusal.ts';

/** How long a store's answers are trusted. */
export interface KeyCacheOptions {
  /** Keys kept; the least recently used goes first. @default 10_000 */
  readonly max?: number;
  /**
   * A record is trusted for this long, counted from the start of its read: the bound on how late a revocation is
   * seen without a `forget`. Keys in use are read again in the background before it has passed. @default 5_000
   */
  readonly ttlMs?: number;
  /** The same for the answer that there is no such key. @default 1_000 */
  readonly negativeTtlMs?: number;
  /** Such answers kept. @default 10_000 */
  readonly maxNegative?: number;
  /** While the store fails, a record is trusted this much longer than `ttlMs`; then 503. @default 60_000 */
  readonly staleMs?: number;
  /** While the store fails, a key in use is read again this often, in the background. @default 1_000 */
  readonly retryMs?: number;
}

/** The store as the request path sees it. */
export interface KeyCache {
  /**
   * The record, or `null`: synchronous when known, otherwise a promise that rejects as the read did.
   *
   * @param admit called before the store is asked for an unknown key; throws when it must not be asked
   */
  find(kid: string, admit?: () => void): KeyRecord | null | Promise<KeyRecord | null>;
  /**
   * Drops all that is known about a key but its version. A read in flight still answers its waiters and is not kept.
   * No record with a smaller version is accepted for the key again.
   */
  forget(kid: string): void;
  /**
   * Anything may have changed: every key is read again before it is trusted. While that fails, what is known stays in
   * use as after any failed read. A key that was seen revoked stays so.
   */
  forgetAll(): void;
}

/** How many keys are remembered by default. */
export const defaultMaxKeys = 10_000;

interface Entry {
  readonly record: KeyRecord;
  readonly readAtMs: number;
  /** Number of `forgetAll` calls before its read. */
  readonly epoch: number;
  /** When to try again after a read failed; 0 while reads succeed. */
  retryAtMs: number;
  /** Until when the store counts as failing for this key, so that nobody waits for it; 0 while reads succeed. */
  failingUntilMs: number;
}

/** Bounded, single-flight, stale while the store fails. Revocation is final; never goes back to an older version. */
export function createKeyCache(read: ReadKey, runtime: Runtime, options: KeyCacheOptions): KeyCache {
  const ttlMs = requireInteger('cache.ttlMs', options.ttlMs ?? 5_000, 0);
  const negativeTtlMs = requireInteger('cache.negativeTtlMs', options.negativeTtlMs ?? 1_000, 0);
  const staleMs = requireInteger('cache.staleMs', options.staleMs ?? 60_000, 0);
  const retryMs = requireInteger('cache.retryMs', options.retryMs ?? 1_000, 1);
  const max = requireInteger('cache.max', options.max ?? defaultMaxKeys, 1, 10_000_000);
  const maxNegative = requireInteger('cache.maxNegative', options.maxNegative ?? 10_000, 1, 10_000_000);
  const refreshAfterMs = ttlMs * 0.8;
  // versions of keys no longer in `known`: a lagging replica must not bring an older one back
  const floors = new LRUCache<string, number>({ max });
  const known = new LRUCache<string, Entry>({
    max,
    dispose({ record }, kid, reason) {
      if (reason !== 'set' && versionOf(record) > 0) floors.set(kid, versionOf(record));
    },
  });
  // separate, so that a flood of made-up kids evicts only made-up kids
  const absent = new LRUCache<string, number>({ max: maxNegative });
  const flights = new Map<string, Promise<KeyRecord | null>>();
  let epoch = 0;

  const keep = (kid: string, record: KeyRecord | null, readAtMs: number): void => {
    if (record === null) {
      known.delete(kid);
      absent.set(kid, readAtMs);
    } else {
      absent.delete(kid);
      known.set(kid, { record, readAtMs, epoch, retryAtMs: 0, failingUntilMs: 0 });
      floors.delete(kid);
    }
  };

  const requireNotOlder = (kid: string, record: KeyRecord | null): void => {
    if (record === null) return;
    const seen = known.peek(kid);
    const floor = seen ? versionOf(seen.record) : (floors.get(kid) ?? 0);
    if (versionOf(record) < floor) {
      throw storeUnavailable(new Error(`The key store shows an older version of ${kid} than it did before.`));
    }
  };

  const useStale = (kid: string, error: unknown, landed: boolean): KeyRecord => {
    const entry = known.peek(kid);
    const nowMs = runtime.monotonicMs();
    if (entry === undefined) throw error;
    if (isRevoked(entry.record)) return entry.record;
    if (nowMs - entry.readAtMs >= ttlMs + staleMs) throw error;
    // a superseded read says nothing about the store as it is now
    if (!landed) return entry.record;
    entry.retryAtMs = nowMs + retryMs;
    // no longer: one failed read is no reason to trust an old record when the key is used again much later
    entry.failingUntilMs = entry.retryAtMs + retryMs;
    return entry.record;
  };

  const fly = (kid: string): Promise<KeyRecord | null> => {
    const readAtMs = runtime.monotonicMs();
    // A flight that `forget` removed from the map began before the change: its result must not be kept.
    const land = (): boolean => flights.get(kid) === flight && flights.delete(kid);
    const flight: Promise<KeyRecord | null> = read(kid)
      .then((record) => {
        requireNotOlder(kid, record);
        if (land()) keep(kid, record, readAtMs);
        return record;
      })
      // after `forget` there is no stale record to use
      .catch((error) => useStale(kid, error, land()));
    flights.set(kid, flight);
    return flight;
  };

  const refresh = (kid: string, entry: Entry, isFailing: boolean): void => {
    if (flights.has(kid)) return;
    // until the read lands, which its deadline bounds
    if (isFailing) entry.failingUntilMs = Number.POSITIVE_INFINITY;
    fly(kid).catch(noop);
  };

  return {
    find(kid, admit) {
      const nowMs = runtime.monotonicMs();
      const entry = known.get(kid);
      if (entry !== undefined) {
        // revocation is final, so there is nothing to read again, and nothing a failed store could change
        if (isRevoked(entry.record)) return entry.record;
        const ageMs = nowMs - entry.readAtMs;
        const isCurrent = entry.epoch === epoch;
        if (isCurrent && ageMs < refreshAfterMs) return entry.record;
        const isFailing = nowMs < entry.failingUntilMs;
        if ((isCurrent && ageMs < ttlMs) || (isFailing && ageMs < ttlMs + staleMs)) {
          if (nowMs >= entry.retryAtMs) refresh(kid, entry, isFailing);
          return entry.record;
        }
      } else {
        const absentAtMs = absent.get(kid);
        if (absentAtMs !== undefined && nowMs - absentAtMs < negativeTtlMs) return null;
      }
      const flight = flights.get(kid);
      if (flight) return flight;
      if (entry === undefined) admit?.();
      return fly(kid);
    },
    forget(kid) {
      known.delete(kid);
      absent.delete(kid);
      flights.delete(kid);
    },
    forgetAll() {
      epoch++;
      absent.clear();
      flights.clear();
    },
  };
}

function versionOf(record: KeyRecord): number {
  return record.version ?? 0;
}

function noop(): void {}
