import type { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';

/** Below this a check takes a few milliseconds, less than starting a thread does. */
const smallBytes = 4 * 1024 * 1024;

const threadSource = `
const { parentPort, workerData } = require('node:worker_threads');
process.emitWarning = () => {};
const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
const database = new DatabaseSync(workerData.file, { readOnly: workerData.readOnly });
try {
  parentPort.postMessage({ found: database.prepare('PRAGMA quick_check(1)').get().quick_check });
} catch (error) {
  parentPort.postMessage({ found: error.message });
} finally {
  database.close();
}`;

/**
 * Walks all pages of the database and resolves to what is wrong with them, `undefined` for nothing. Beyond some
 * megabytes it does so in its own thread, to keep the event loop free. The content of a page cannot be checked, only
 * that it is well-formed and in its place.
 */
export async function findDamage(
  native: DatabaseSync,
  file: string,
  { readOnly, sizeBytes }: { readonly readOnly: boolean; readonly sizeBytes: number },
): Promise<string | undefined> {
  const found = sizeBytes < smallBytes ? checkHere(native) : await checkInThread(file, readOnly);
  return found === 'ok' ? undefined : found;
}

function checkHere(native: DatabaseSync): string {
  return String(native.prepare('PRAGMA quick_check(1)').get()?.quick_check);
}

function checkInThread(file: string, readOnly: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(threadSource, { eval: true, execArgv: [], workerData: { file, readOnly } });
    let found: string | undefined;
    worker.on('message', (message: { found: string }) => {
      found = message.found;
    });
    worker.on('error', reject);
    // once the thread has ended, its connection is closed, and what it left beside the file is gone
    worker.on('exit', () => {
      if (found === undefined) reject(new Error(`The check of ${file} has ended without a result.`));
      else resolve(found);
    });
  });
}
