import type { Runtime } from '../runtime.ts';
import type { KeyRecord, KeyStore, PreviousSecret } from '../stores/key-store.ts';
import { requireInteger } from './option.ts';
import { storeUnavailable } from './refusal.ts';

/** Bounds on reading the store. */
export interface KeyReadsOptions {
  /** Longest wait for the store, queueing included; then 503. @default 2_000 */
  readonly timeoutMs?: number;
  /**
   * Reads in flight at once; more wait in a queue, first come, first served. One that has missed its deadline
   * counts until it ends, at most `timeoutMs` longer. @default 100
   */
  readonly maxConcurrent?: number;
  /** Reads that may wait; any more get 503. @default 20_000 */
  readonly maxQueued?: number;
}

/** Reads one key. Rejects with `store_unavailable` only. */
export type ReadKey = (kid: string) => Promise<KeyRecord | null>;

interface Read {
  readonly kid: string;
  readonly resolve: (record: KeyRecord | null) => void;
  readonly reject: (error: Error) => void;
  cancelTimer: () => void;
  isRunning: boolean;
}

/** Guards a store: each read has a deadline, few run at once, and a stampede queues instead of reaching it. */
export function createKeyReader(
  store: Pick<KeyStore, 'findKey'>,
  runtime: Runtime,
  options: KeyReadsOptions,
): ReadKey {
  const timeoutMs = requireInteger('reads.timeoutMs', options.timeoutMs ?? 2_000, 1, 600_000);
  const maxConcurrent = requireInteger('reads.maxConcurrent', options.maxConcurrent ?? 100, 1);
  const maxQueued = requireInteger('reads.maxQueued', options.maxQueued ?? 20_000, 0);
  const waiting = new Set<Read>();
  let running = 0;

  const release = (read: Read): void => {
    read.cancelTimer();
    if (!read.isRunning) return;
    read.isRunning = false;
    running--;
    for (const next of waiting) {
      if (running >= maxConcurrent) return;
      waiting.delete(next);
      void start(next);
    }
  };
  const start = async (read: Read): Promise<void> => {
    read.isRunning = true;
    running++;
    try {
      read.resolve(requireRecord(await store.findKey(read.kid)));
    } catch (error) {
      read.reject(storeUnavailable(error));
    }
    release(read);
  };
  const expire = (read: Read): void => {
    const what = read.isRunning ? 'did not answer' : 'was too busy to be asked';
    read.reject(storeUnavailable(new Error(`The key store ${what} in ${timeoutMs} ms.`)));
    waiting.delete(read);
    // The slot stays taken as long again, so that a frozen store is not handed the whole queue, but not for
    // ever: a read may never end.
    if (read.isRunning) read.cancelTimer = runtime.schedule(timeoutMs, () => release(read));
  };

  return (kid) =>
    new Promise((resolve, reject) => {
      if (running >= maxConcurrent && waiting.size >= maxQueued) {
        reject(storeUnavailable(new Error(`${waiting.size} reads of the key store wait already.`)));
        return;
      }
      const read: Read = { kid, resolve, reject, cancelTimer: noop, isRunning: false };
      read.cancelTimer = runtime.schedule(timeoutMs, () => expire(read));
      if (running < maxConcurrent) void start(read);
      else waiting.add(read);
    });
}

// `undefined` is not `null`: a store that swallowed an error returns it, and it must not become a 401.
function requireRecord(value: KeyRecord | null): KeyRecord | null {
  if (value === null) return null;
  if (
    typeof value?.kid === 'string' &&
    typeof value.secretHash === 'string' &&
    typeof value.pepperId === 'string' &&
    (value.previous === undefined || value.previous === null || isPreviousSecret(value.previous))
  ) {
    return value;
  }
  throw new TypeError('KeyStore.findKey must resolve to a KeyRecord or null.');
}

function isPreviousSecret({ secretHash, pepperId, graceUntilMs }: PreviousSecret): boolean {
  return typeof secretHash === 'string' && typeof pepperId === 'string' && typeof graceUntilMs === 'number';
}

function noop(): void {}
