import { statSync } from 'node:fs';
import type { Runtime } from '../../runtime.ts';
import type { MigrationStep } from '../sql/migration.ts';
import { generationOf } from '../sql/migration.ts';
import { whileBusy } from './busy.ts';
import { type SqliteDatabase, syncLog, transact } from './database.ts';
import { refusal, toStoreError } from './failure.ts';
import { migrate, requireGeneration, requireSchema } from './migrate.ts';
import { memoryFile, openFile } from './open-file.ts';
import { createWriteQueue } from './write-queue.ts';

/** How a connection opens its file, and how long it waits for it. */
export interface SqliteConnectionOptions {
  /** Absolute path, or `:memory:`. */
  readonly file: string;
  readonly runtime: Runtime;
  readonly steps: readonly MigrationStep[];
  /** Whether opening runs the pending steps; otherwise it throws when there are any. */
  readonly migrate: boolean;
  readonly checkIntegrity: boolean;
  readonly busyTimeoutMs: number;
  readonly maxWaitingWrites: number;
  readonly reopenMs: number;
}

/**
 * One connection to one file, opened by the first call and shared by all kept there. What is passed to `read` and
 * `write` is synchronous, and may run again when a lock was in the way.
 */
export interface SqliteConnection {
  readonly file: string;
  /** Runs `action` on what is committed. @throws Error when the database cannot be read */
  read<T>(action: (database: SqliteDatabase) => T): Promise<T>;
  /**
   * Runs `action` in one transaction against every other writer, in this process and others; rolls it back when it
   * throws. Without `durable` it does not wait for the disk, and a power failure may undo it; only now and then one
   * waits for those before it, and rejects if the disk failed. @default durable: true
   *
   * @throws Error when the lock cannot be had in time, too many writes wait, or the disk refuses
   */
  write<T>(action: (database: SqliteDatabase) => T, options?: { readonly durable?: boolean }): Promise<T>;
  /** Runs the pending steps; resolves to their names. */
  migrate(): Promise<readonly string[]>;
  /** Closes when all earlier writes have ended; later calls reject. */
  close(): Promise<void>;
}

/** The most transactions that need not have reached the disk: a megabyte of the log as the ledger writes it. */
const mostUnsynced = 32;

interface Open {
  readonly database: SqliteDatabase;
  /** Whether the file is still the one that was opened. */
  readonly isInPlace: () => boolean;
}

/**
 * Opens nothing yet. If something is wrong with the file, the first call throws, and for `reopenMs` all later ones,
 * without another look.
 */
export function createSqliteConnection(options: SqliteConnectionOptions): SqliteConnection {
  const { file, runtime, steps, busyTimeoutMs } = options;
  const generation = generationOf(steps);
  const writes = createWriteQueue(file, runtime, busyTimeoutMs, options.maxWaitingWrites);
  let current: Open | undefined;
  let opening: Promise<readonly string[]> | undefined;
  let failure: { readonly error: unknown; readonly untilMs: number } | undefined;
  let unsynced = 0;
  let wasOpen = false;
  let isClosed = false;

  const open = async (shouldMigrate: boolean): Promise<readonly string[]> => {
    const endMs = runtime.monotonicMs() + busyTimeoutMs;
    const database = await openFile({
      ...options,
      generation,
      // a file that has gone must not be replaced by an empty one
      mayCreate: shouldMigrate && !wasOpen,
      endMs,
    });
    try {
      const isInPlace = identify(file);
      const done = shouldMigrate
        ? await migrate(database, steps, { file, runtime, patienceMs: busyTimeoutMs })
        : [];
      await whileBusy(runtime, endMs, () => requireSchema(database, steps, file));
      if (isClosed) throw closed(file);
      current = { database, isInPlace };
      wasOpen = true;
      return done;
    } catch (error) {
      database.close();
      throw toStoreError(file, error);
    }
  };

  const openOnce = (shouldMigrate: boolean): Promise<readonly string[]> => {
    opening ??= open(shouldMigrate)
      .catch((error: unknown) => {
        // not for each of many calls: looking at a damaged file takes time
        failure = { error, untilMs: runtime.monotonicMs() + options.reopenMs };
        throw error;
      })
      .finally(() => {
        opening = undefined;
      });
    return opening;
  };

  const ready = async (): Promise<Open> => {
    if (isClosed) throw closed(file);
    if (current === undefined) {
      if (failure !== undefined && runtime.monotonicMs() < failure.untilMs) throw failure.error;
      await openOnce(options.migrate);
    }
    return current as Open;
  };

  /** @throws Error when the file was replaced: the old one, still open, would take writes that nobody ever sees */
  const usable = (open: Open): SqliteDatabase => {
    if (isClosed) throw closed(file);
    if (open.isInPlace()) return open.database;
    if (current === open) {
      current = undefined;
      open.database.close();
    }
    throw refusal(file, 'the file was moved, removed or replaced while it was open; it is opened anew.');
  };

  const inTime = async <T>(endMs: number, attempt: (database: SqliteDatabase) => T): Promise<T> => {
    try {
      const open = current ?? (await ready());
      return await whileBusy(runtime, endMs, () => attempt(usable(open)));
    } catch (error) {
      throw toStoreError(file, error);
    }
  };

  return {
    file,
    read: (action) => inTime(runtime.monotonicMs() + busyTimeoutMs, action),
    write: (action, { durable = true } = {}) =>
      writes.run((endMs) =>
        inTime(endMs, (database) => {
          // while the disk fails, what it may lose does not grow, and writers learn of it
          const isDue = !durable && unsynced >= mostUnsynced;
          const mustWait = durable || (isDue && !syncLog(database));
          // at once: a lock may block what follows, and then this runs again
          if (isDue && !mustWait) unsynced = 0;
          const careful = (): ReturnType<typeof action> => {
            requireGeneration(database, generation, file);
            return action(database);
          };
          const result = transact(database, careful, mustWait);
          if (!durable) unsynced = mustWait ? 0 : unsynced + 1;
          return result;
        }),
      ),
    async migrate() {
      if (isClosed) throw closed(file);
      // an opening under way may have been told not to migrate
      while (opening !== undefined) await opening.catch(() => {});
      if (current === undefined) return openOnce(true);
      try {
        return await migrate(usable(current), steps, { file, runtime, patienceMs: busyTimeoutMs });
      } catch (error) {
        throw toStoreError(file, error);
      }
    },
    async close() {
      await writes.idle();
      isClosed = true;
      await opening?.catch(() => {});
      current?.database.close();
      current = undefined;
    },
  };
}

/** Remembers which file this is. */
function identify(file: string): () => boolean {
  if (file === memoryFile) return () => true;
  const stats = statSync(file);
  return () => {
    const now = statSync(file, { throwIfNoEntry: false });
    return now !== undefined && now.ino === stats.ino && now.dev === stats.dev;
  };
}

function closed(file: string): Error {
  return new Error(`SQLite store ${file}: it was closed.`);
}
