import { createRuntime, type Runtime } from '../../runtime.ts';
import type { FileChangeOptions } from './change-queue.ts';

/** How files are followed and changed. */
export interface FileFollowOptions extends FileChangeOptions {
  /** @default createRuntime() */
  readonly runtime?: Runtime;
  /**
   * How often a file is checked while somebody watches, in addition to the system's file events: the bound on how late
   * a watcher is told where there are none. Reads never wait for it: each checks for itself. @default 1_000
   */
  readonly pollMs?: number;
  /** Largest file that is read, in bytes. @default 268_435_456 */
  readonly maxBytes?: number;
}

/** Options with every default filled in. @throws TypeError naming the option */
export function resolveFileOptions(factory: string, options: FileFollowOptions) {
  const { runtime = createRuntime(), pollMs = 1_000, maxBytes = 268_435_456 } = options;
  const { lockWaitMs = 5_000, maxQueued = 10_000 } = options;
  for (const [name, value] of Object.entries({ pollMs, maxBytes, maxQueued })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new TypeError(`${factory}: "${name}" must be an integer of 1 or more.`);
    }
  }
  if (!Number.isSafeInteger(lockWaitMs) || lockWaitMs < 0) {
    throw new TypeError(`${factory}: "lockWaitMs" must be an integer of 0 or more.`);
  }
  return { runtime, pollMs, maxBytes, lockWaitMs, maxQueued };
}

/** Checks a path. @throws TypeError naming the option */
export function requirePath(factory: string, option: string, value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw new TypeError(`${factory}: "${option}" must be a path.`);
  }
  return value;
}
