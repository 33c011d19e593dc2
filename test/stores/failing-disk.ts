import { closeSync, fdatasyncSync, fsyncSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The disk of a program that runs `withFailingSync`: only so many calls of fsync and fdatasync succeed, and then only so
 * many fail. To get from one to the other calls are used up, on a file of no importance.
 */
export interface FailingDisk {
  /** From now on every fsync and fdatasync fails. */
  fail(): void;
  /** From now on they succeed again, for good. */
  heal(): void;
}

export function createFailingDisk(database: string): FailingDisk {
  const scratch = openSync(join(dirname(database), 'scratch'), 'w');
  const useUp = (sync: (fd: number) => void, wanted: 'good' | 'bad'): void => {
    for (let calls = 0; calls < 100_000; calls++) {
      if (tells(sync, scratch) !== wanted) return;
    }
    throw new Error(`The disk stays ${wanted}: does this run under strace?`);
  };
  return {
    fail() {
      for (const sync of [fsyncSync, fdatasyncSync]) useUp(sync, 'good');
    },
    heal() {
      for (const sync of [fsyncSync, fdatasyncSync]) useUp(sync, 'bad');
      closeSync(scratch);
    },
  };
}

function tells(sync: (fd: number) => void, fd: number): 'good' | 'bad' {
  try {
    sync(fd);
    return 'good';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
    return 'bad';
  }
}
