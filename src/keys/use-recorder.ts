import { quietly } from '../quietly.ts';
import { createRuntime, type Runtime } from '../runtime.ts';
import type { KeyRecord, KeyStore, KeyUse } from '../stores/key-store.ts';
import { requireInteger } from './option.ts';

/** Options of `createUseRecorder`. */
export interface UseRecorderOptions {
  /** Where uses are written. Without `noteUses`, none are. */
  readonly store: Pick<KeyStore, 'noteUses'>;
  /** @default createRuntime() */
  readonly runtime?: Runtime;
  /**
   * Least time between two writes for one key. Up to a fifth is added at random, so that nodes do not all write at the
   * same time. @default 60_000
   */
  readonly flushMs?: number;
  /** Secrets whose use is remembered between two writes; beyond that, some uses are lost. @default 100_000 */
  readonly maxPending?: number;
  /** Called when a write fails. Its uses go with the next one. @default ignored */
  readonly onError?: (error: unknown) => void;
}

/** Notes when keys were last used. */
export interface UseRecorder {
  /**
   * Notes a use. Costs well under a microsecond, never throws, and writes nothing yet.
   *
   * @param usedAtMs milliseconds since the epoch. @default now
   */
  note(record: Pick<KeyRecord, 'kid'>, isPrevious: boolean, usedAtMs?: number): void;
  /** Writes what is noted. Never rejects. */
  flush(): Promise<void>;
  /** Writes what is noted and stops noting. Never rejects. */
  close(): Promise<void>;
}

const batchSize = 1_000;

/**
 * Creates a recorder that keeps the last use of each key in memory and writes it off the request path, at most once a
 * minute for each key. When the process dies, the uses of the last minute are lost.
 *
 * @throws TypeError naming the option that is out of range
 */
export function createUseRecorder(options: UseRecorderOptions): UseRecorder {
  const { store, runtime = createRuntime(), onError } = options;
  const integer = (name: string, value: number, max: number) =>
    requireInteger(name, value, 1, max, 'createUseRecorder');
  const flushMs = integer('flushMs', options.flushMs ?? 60_000, 86_400_000);
  const maxPending = integer('maxPending', options.maxPending ?? 100_000, 10_000_000);
  // separate, since both secrets of a key may be in use
  const current = new Map<string, number>();
  const previous = new Map<string, number>();
  let cancelTimer: (() => void) | undefined;
  let running: Promise<void> | undefined;
  let isClosed = store.noteUses === undefined;

  const arm = (): void => {
    if (cancelTimer !== undefined || isClosed) return;
    cancelTimer = runtime.schedule(flushMs * (1 + runtime.random() / 5), () => void flush());
  };
  const put = (uses: Map<string, number>, kid: string, usedAtMs: number): void => {
    const known = uses.get(kid);
    if (known === undefined && current.size + previous.size >= maxPending) return;
    if (known === undefined || usedAtMs > known) uses.set(kid, usedAtMs);
  };
  const take = (): KeyUse[] => {
    const uses = [
      ...Array.from(current, ([kid, usedAtMs]) => ({ kid, usedAtMs, previous: false })),
      ...Array.from(previous, ([kid, usedAtMs]) => ({ kid, usedAtMs, previous: true })),
    ];
    current.clear();
    previous.clear();
    return uses;
  };
  const write = async (): Promise<void> => {
    const uses = take();
    for (let index = 0; index < uses.length; index += batchSize) {
      try {
        await store.noteUses?.(uses.slice(index, index + batchSize));
      } catch (error) {
        for (const { kid, usedAtMs, previous: isPrevious } of uses.slice(index)) {
          put(isPrevious ? previous : current, kid, usedAtMs);
        }
        report(error);
        return;
      }
    }
  };
  const report = quietly(onError);
  const flush = (): Promise<void> => {
    cancelTimer?.();
    cancelTimer = undefined;
    running ??= write().finally(() => {
      running = undefined;
      if (current.size + previous.size > 0) arm();
    });
    return running;
  };

  return {
    note({ kid }, isPrevious, usedAtMs = runtime.now()) {
      if (isClosed) return;
      put(isPrevious ? previous : current, kid, usedAtMs);
      if (cancelTimer === undefined && running === undefined) arm();
    },
    flush,
    async close() {
      if (isClosed) return;
      isClosed = true;
      await running;
      await flush();
    },
  };
}
