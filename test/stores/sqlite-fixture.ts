import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import type { Runtime } from '../../src/runtime.ts';
import type { KeyRecord } from '../../src/stores/key-store.ts';
import type { MigrationStep } from '../../src/stores/sql/migration.ts';
import { createSqliteConnection, type SqliteConnection } from '../../src/stores/sqlite/connection.ts';
import { createSqliteStores, type SqliteStoresOptions } from '../../src/stores/sqlite/sqlite-stores.ts';
import { sqliteSteps } from '../../src/stores/sqlite/steps.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { noDeadlineMs } from '../eventually.ts';

const undo: (() => unknown)[] = [];

afterEach(async () => {
  while (undo.length > 0) await undo.pop()?.();
});

/** Runs when the test has ended; the last one first. */
export function atEnd(action: () => unknown): void {
  undo.push(action);
}

/** A path in a directory of its own, where there is no database yet. */
export function newFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-sqlite-'));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'headgate.db');
}

/** A connection that brings the file to `steps`; closed when the test has ended. */
export function connect(
  file: string,
  runtime: Runtime,
  steps: readonly MigrationStep[] = sqliteSteps,
): SqliteConnection {
  const connection = createSqliteConnection({
    ...{ file, runtime, steps, migrate: true, checkIntegrity: true },
    ...{ busyTimeoutMs: noDeadlineMs, maxWaitingWrites: 100, reopenMs: 0 },
  });
  atEnd(() => connection.close());
  return connection;
}

/** Stores that are closed when the test has ended. */
export function open(file: string, options: Partial<SqliteStoresOptions> = {}): Stores {
  const stores = createSqliteStores({
    file,
    pollMs: 5,
    reopenMs: 10,
    busyTimeoutMs: noDeadlineMs,
    ...options,
  });
  atEnd(() => stores.close());
  return stores;
}

/** Does something to the file as another program does. */
export function withDatabase<T>(file: string, action: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(file, { timeout: 5_000 });
  try {
    return action(database);
  } finally {
    database.close();
  }
}

/** Another process that says what it has done, line by line. */
export interface Child {
  readonly process: ChildProcess;
  /** Resolves to the next line. Fails when there is none any more. */
  readonly line: () => Promise<string>;
  /** Resolves to the exit code. */
  readonly end: () => Promise<number | null>;
}

/**
 * Runs an ES module text in a process of its own; `source:` stands for the directory `src/` in it. `wrapper` is a command
 * that gets the process as its last arguments.
 */
export function runChild(
  module: string,
  { wrapper = [], ...options }: SpawnOptions & { readonly wrapper?: readonly string[] } = {},
): Child {
  const source = new URL('../../src/', import.meta.url).href;
  const text = module.replaceAll('source:', source);
  const [command = process.execPath, ...rest] = [...wrapper, process.execPath];
  const child = spawn(command, [...rest, '--input-type=module-typescript', '--eval', text], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  });
  const exit = once(child, 'exit');
  atEnd(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    child.emit('headgate-output');
  });
  const closed = once(child, 'close').then(() => 'closed');
  return {
    process: child,
    async line() {
      for (;;) {
        const end = output.indexOf('\n');
        if (end !== -1) {
          const line = output.slice(0, end);
          output = output.slice(end + 1);
          return line;
        }
        const what = await Promise.race([once(child, 'headgate-output'), closed]);
        if (what === 'closed' && !output.includes('\n'))
          throw new Error('The process ended without saying so.');
      }
    },
    async end() {
      await closed;
      return child.exitCode;
    },
  };
}

/** Another process that holds the write lock for `ms`, or until `release`; resolves when it has it. */
export async function holdLock(file: string, ms = 600_000): Promise<Child & { release(): void }> {
  const child = runChild(
    `
    import { DatabaseSync } from 'node:sqlite';
    const database = new DatabaseSync(${JSON.stringify(file)}, { timeout: 5_000 });
    database.exec('BEGIN IMMEDIATE');
    database.exec("INSERT INTO headgate_stamps VALUES ('lock', 1)");
    const release = () => {
      clearTimeout(timer);
      database.exec('ROLLBACK');
      database.close();
      console.log('released');
    };
    const timer = setTimeout(release, ${ms});
    process.once('SIGUSR2', release);
    console.log('held');`,
  );
  if ((await child.line()) !== 'held') throw new Error('The lock was not to be had.');
  return { ...child, release: () => void child.process.kill('SIGUSR2') };
}

/** Waits until `isDone`, looking every few milliseconds, and fails after a minute. */
export async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await isDone())) {
    if (performance.now() > end) throw new Error('Waited a minute in vain.');
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

/** A record that can be put as a new key. */
export const version1 = (kid: string): KeyRecord & { version: number } => ({
  ...sampleRecord(kid),
  version: 1,
});

/** A module that adds a label to the key `Shared000001` again and again until no other writer was faster, `count` times. */
export const changeShared = (file: string, writer: string, count: number) => `
  import { createSqliteStores } from 'source:stores/sqlite/sqlite-stores.ts';
  const stores = createSqliteStores({ file: ${JSON.stringify(file)}, busyTimeoutMs: 60_000 });
  const { keys } = stores;
  let wins = 0;
  while (wins < ${count}) {
    const record = await keys.findKey('Shared000001');
    const labels = { ...record.labels, ['${writer}' + wins]: 'won' };
    if (await keys.putKey({ ...record, labels, version: record.version + 1 }, record.version)) wins++;
  }
  await stores.close();
  console.log('done');`;
