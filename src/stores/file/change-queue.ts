import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Runtime } from '../../runtime.ts';
import { removeAbandoned, withFileLock } from './file-lock.ts';
import { pause } from './pause.ts';

/** Bounds on changing files. */
export interface FileChangeOptions {
  /** The longest a change waits for another process that holds the lock; then it throws. @default 5_000 */
  readonly lockWaitMs?: number;
  /** Changes that may wait in this process; one more throws. @default 10_000 */
  readonly maxQueued?: number;
}

/**
 * Collects changes and hands them in batches to `apply`, which runs while the lock of `file` is held: a hundred changes
 * at once cost one write, not a hundred. `apply` resolves to the result of each change, in order, when all are on disk.
 * `cleanUp` runs before the first batch, with the lock held too.
 */
export function createChangeQueue<Change, Result>(
  file: string,
  runtime: Runtime,
  { lockWaitMs = 5_000, maxQueued = 10_000 }: FileChangeOptions,
  apply: (changes: readonly Change[]) => Promise<readonly Result[]>,
  cleanUp: () => Promise<void>,
): (change: Change) => Promise<Result> {
  interface Waiting {
    readonly change: Change;
    readonly resolve: (result: Result) => void;
    readonly reject: (error: unknown) => void;
  }
  let waiting: Waiting[] = [];
  let isRunning = false;
  let isFirst = true;

  const run = async (batch: readonly Waiting[]): Promise<void> => {
    try {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      const results = await withFileLock(`${file}.lock`, runtime, lockWaitMs, async () => {
        if (isFirst) {
          await cleanUp();
          await removeAbandoned(`${file}.lock`);
        }
        isFirst = false;
        return await apply(batch.map(({ change }) => change));
      });
      batch.forEach(({ resolve }, index) => void resolve(results[index] as Result));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };

  const drain = async (): Promise<void> => {
    isRunning = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await run(batch);
      // leaves the lock free for a moment: others try it every few milliseconds
      if (waiting.length > 0) await pause(runtime, 1 + runtime.random() * 4);
    }
    isRunning = false;
  };

  return (change) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= maxQueued) {
        reject(new Error(`${file}: ${maxQueued} changes wait to be written already.`));
        return;
      }
      waiting.push({ change, resolve, reject });
      if (!isRunning) void drain();
    });
}
