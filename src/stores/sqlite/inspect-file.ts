import { type Stats, statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { Runtime } from '../../runtime.ts';
import { newerGeneration } from '../sql/migration.ts';
import { whileBusy } from './busy.ts';
import { refusal, toStoreError } from './failure.ts';
import { findDamage } from './integrity.ts';
import { loadSqlite } from './load-sqlite.ts';

/** `PRAGMA application_id` of a Headgate database: "HdGt". */
export const applicationId = 0x48644774;

/** Which file to inspect, how closely and how long. */
export interface InspectOptions {
  readonly file: string;
  readonly runtime: Runtime;
  /** The highest schema generation that this release works with. */
  readonly generation: number;
  /** Whether to walk all pages. */
  readonly checkIntegrity: boolean;
  /** Until when to wait for other processes' locks, monotonic. */
  readonly endMs: number;
}

/**
 * Inspects a file before anything is written to it. Resolves to whether it is a Headgate database (`ours`), or nothing
 * yet (`new`).
 *
 * Only through SQLite: closing a file descriptor of our own would drop the locks of every other SQLite connection of
 * this process to the same file (POSIX). And read-only when there is a log beside the file: closing the last connection
 * that can write would move the log's pages into a file that may not be ours.
 *
 * @throws Error naming the file and the reason when it is anything else, damaged, or of a newer generation; nothing was
 * changed, and nothing is left behind beside it
 */
export async function inspectFile(options: InspectOptions): Promise<'new' | 'ours'> {
  const { file, runtime, endMs } = options;
  const stats = sizeOf(file);
  if (stats === undefined || stats.size === 0) return 'new';
  if (!stats.isFile()) throw refusal(file, 'this is not a file.');
  const readOnly = hasContent(`${file}-wal`) || hasContent(`${file}-journal`);
  const { DatabaseSync } = loadSqlite();
  let native: DatabaseSync | undefined;
  try {
    native = await whileBusy(runtime, endMs, () => openAndRead(() => new DatabaseSync(file, { readOnly })));
    checkOwner(native, options);
    if (options.checkIntegrity) {
      const damage = await findDamage(native, file, { readOnly, sizeBytes: stats.size });
      if (damage !== undefined) {
        throw refusal(
          file,
          `the database is corrupt; it was left as it is: restore it from a backup (${damage}).`,
        );
      }
    }
    return 'ours';
  } catch (error) {
    throw toStoreError(file, error);
  } finally {
    native?.close();
  }
}

/**
 * The constructor reads nothing: only a statement shows whether there is a database, and whether it is locked. The
 * transaction stays open: before a new file is in WAL mode, a writer would lock out each later statement.
 */
function openAndRead(open: () => DatabaseSync): DatabaseSync {
  const native = open();
  try {
    native.exec('BEGIN');
    native.prepare('SELECT count(*) FROM sqlite_schema').get();
    return native;
  } catch (error) {
    native.close();
    throw error;
  }
}

function checkOwner(native: DatabaseSync, { file, generation }: InspectOptions): void {
  const owner = native.prepare('PRAGMA application_id').get()?.application_id;
  if (owner !== applicationId) {
    throw refusal(
      file,
      `this is the database of another application (application_id ${owner}); it was left as it is: name another file.`,
    );
  }
  const stored = Number(native.prepare('PRAGMA user_version').get()?.user_version);
  if (stored > generation) throw refusal(file, newerGeneration(stored, generation));
}

function sizeOf(file: string): Stats | undefined {
  return statSync(file, { throwIfNoEntry: false });
}

function hasContent(file: string): boolean {
  return (sizeOf(file)?.size ?? 0) > 0;
}
