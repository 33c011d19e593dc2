import type { Runtime } from '../../runtime.ts';
import type { ChangeListener, Unwatch } from '../watch.ts';
import type { SqliteConnection } from './connection.ts';
import type { SqliteDatabase } from './database.ts';

/** What a change is about. */
export type ChangeKind = 'key' | 'config' | 'secret';

/** Notes changes in the database, and tells watchers of those that any process has noted. */
export interface ChangeFeed {
  /** Notes a change; part of the transaction that makes it. */
  record(database: SqliteDatabase, kind: ChangeKind, id: string): void;
  /** Looks for changes now: after a commit of this process. */
  poke(): void;
  watch(kind: ChangeKind, listener: ChangeListener): Unwatch;
  /** Ends all watches. */
  stop(): void;
}

/** Where changes are kept, and how often they are looked for. */
export interface ChangeFeedOptions {
  readonly connection: SqliteConnection;
  readonly runtime: Runtime;
  readonly pollMs: number;
  /** How many changes the database remembers. */
  readonly maxChanges: number;
}

interface Watcher {
  readonly kind: ChangeKind;
  readonly listener: ChangeListener;
  isNew: boolean;
}

interface Change {
  readonly kind: unknown;
  readonly id: string;
}

/** How far the feed has read, and on which connection. */
interface Position {
  readonly database: SqliteDatabase;
  /** Differs after a commit by another connection. */
  readonly dataVersion: unknown;
  readonly sequence: number;
}

/**
 * Polls the database every `pollMs`, and only while somebody watches. A watcher is told `undefined`, to read everything
 * again, after a gap and when it begins.
 */
export function createChangeFeed({ connection, runtime, pollMs, maxChanges }: ChangeFeedOptions): ChangeFeed {
  const watchers = new Set<Watcher>();
  let position: Position | undefined;
  let isPolling = false;
  let isPoked = false;
  let isStopped = false;
  let cancel = (): void => {};

  /** The changes since the last time; `undefined` when they cannot be named one by one. */
  const advance = (database: SqliteDatabase): readonly Change[] | undefined => {
    const before = position?.database === database ? position : undefined;
    const dataVersion = database.get('PRAGMA data_version')?.data_version;
    if (before !== undefined && before.dataVersion === dataVersion && !isPoked) return [];
    const sequence = Number(
      database.get('SELECT max(sequence) AS newest FROM headgate_changes')?.newest ?? 0,
    );
    const isGap = before === undefined || sequence < before.sequence;
    const rows = isGap
      ? []
      : database.all(
          'SELECT sequence, kind, id FROM headgate_changes WHERE sequence > ? AND sequence <= ? ORDER BY sequence',
          before.sequence,
          sequence,
        );
    // only now: if a read finds the file busy, all of this is repeated
    isPoked = false;
    position = { database, dataVersion, sequence };
    // numbers have no gaps: what is missing at the start was dropped before it was read
    if (isGap || rows.length < sequence - before.sequence) return undefined;
    return rows.map((row) => ({ kind: row.kind, id: String(row.id) }));
  };

  const tell = (changes: readonly Change[] | undefined): void => {
    for (const watcher of [...watchers]) {
      const isLost = watcher.isNew || changes === undefined;
      watcher.isNew = false;
      const ids = isLost
        ? [undefined]
        : changes.filter(({ kind }) => kind === watcher.kind).map(({ id }) => id);
      for (const id of ids) {
        if (watchers.has(watcher)) callSafely(watcher.listener, id);
      }
    }
  };

  const poll = async (): Promise<void> => {
    cancel();
    if (isPolling || watchers.size === 0) return;
    isPolling = true;
    try {
      tell(await connection.read(advance));
    } catch {
      // callers of the store learn of it; here it is a gap, of which watchers are told when it is over
      position = undefined;
    }
    isPolling = false;
    const isNeeded = isPoked || [...watchers].some(({ isNew }) => isNew);
    // what came during this poll is looked for at once, but a failed poll is not repeated without a pause
    if (watchers.size > 0) cancel = runtime.schedule(isNeeded && position ? 0 : pollMs, () => void poll());
  };

  return {
    record(database, kind, id) {
      database.run('INSERT INTO headgate_changes (kind, id) VALUES (?, ?)', kind, id);
      const { sequence } = database.get('SELECT last_insert_rowid() AS sequence') as { sequence: number };
      database.run('DELETE FROM headgate_changes WHERE sequence <= ?', sequence - maxChanges);
      database.run(
        'INSERT INTO headgate_stamps (kind, stamp) VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET stamp = excluded.stamp',
        kind,
        sequence,
      );
    },
    poke() {
      isPoked = true;
      void poll();
    },
    watch(kind, listener) {
      const watcher: Watcher = { kind, listener, isNew: true };
      if (!isStopped) watchers.add(watcher);
      void poll();
      return async () => {
        watchers.delete(watcher);
        if (watchers.size > 0) return;
        cancel();
        position = undefined;
      };
    },
    stop() {
      isStopped = true;
      watchers.clear();
      cancel();
    },
  };
}

/** A listener that throws must not keep the others from being told. */
function callSafely(listener: ChangeListener, id: string | undefined): void {
  try {
    listener(id);
  } catch {
    // that is the listener's problem
  }
}

/** A number that grows with every change of this kind. */
export function readStamp(database: SqliteDatabase, kind: ChangeKind): number {
  return Number(database.get('SELECT stamp FROM headgate_stamps WHERE kind = ?', kind)?.stamp ?? 0);
}
