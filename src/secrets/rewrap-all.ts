import { pause } from '../deadline.ts';
import type { Runtime } from '../runtime.ts';
import type { SecretRecord, SecretStore } from '../stores/secret-store.ts';
import { rewrapSecret, sealedUnder } from './envelope.ts';
import type { KeyEncryptionRing } from './key-encryption-ring.ts';
import { readInteger } from './option.ts';
import { isSecretError, type SecretErrorCode } from './secret-error.ts';

/** Options of `rewrapAll`. */
export interface RewrapOptions {
  /** Only ids that sort after this one: where an earlier run ended. */
  readonly after?: string;
  /** Secrets worked on at once, 1 to 64. @default 4 */
  readonly concurrency?: number;
  /** Called after every page of 100 secrets. */
  readonly onProgress?: (report: RewrapReport) => void;
  /** Ends the run after the current page. */
  readonly signal?: AbortSignal;
}

/** A secret that could not be sealed again. It stays as it was. */
export interface RewrapFailure {
  readonly id: string;
  readonly code: SecretErrorCode;
}

/** How far a run got. */
export interface RewrapReport {
  /** Secrets looked at. */
  readonly scanned: number;
  /** Secrets sealed again. */
  readonly rewrapped: number;
  /** Secrets already sealed under the current key, or removed meanwhile. */
  readonly skipped: number;
  readonly failed: number;
  /** The first 1,000 of those that failed. */
  readonly failures: readonly RewrapFailure[];
  /** The last id looked at; pass it as `after` to continue from here. */
  readonly last: string | undefined;
  /** Whether the end was reached. When it was, and nothing failed, keys other than the current one are not needed any more. */
  readonly complete: boolean;
}

const pageSize = 100;
const maxTries = 5;
const maxFailures = 1_000;

/** The work of `VaultAdmin.rewrapAll`. @throws whatever the store throws */
export async function rewrapAll(
  store: SecretStore,
  ring: KeyEncryptionRing,
  runtime: Runtime,
  options: RewrapOptions = {},
): Promise<RewrapReport> {
  const concurrency = readInteger('rewrapAll: "concurrency"', options.concurrency, 4, 1, 64);
  const failures: RewrapFailure[] = [];
  const counts = { scanned: 0, rewrapped: 0, skipped: 0, failed: 0 };
  let last = options.after;
  let complete = false;
  const report = (): RewrapReport => ({ ...counts, failures: [...failures], last, complete });

  while (!complete && !options.signal?.aborted) {
    const page = await store.listSecrets({ limit: pageSize, ...(last !== undefined && { after: last }) });
    const waiting = [...page];
    const work = async (): Promise<void> => {
      for (let record = waiting.shift(); record; record = waiting.shift()) {
        const outcome = await rewrapOne(store, ring, runtime, record).catch((error: unknown) => {
          // the store failed: the others of this page would too
          waiting.length = 0;
          throw error;
        });
        counts.scanned++;
        if (outcome === 'rewrapped' || outcome === 'skipped') counts[outcome]++;
        else {
          counts.failed++;
          if (failures.length < maxFailures) failures.push({ id: record.id, code: outcome });
        }
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    last = page.at(-1)?.id ?? last;
    complete = page.length < pageSize;
    options.onProgress?.(report());
  }
  return report();
}

async function rewrapOne(
  store: SecretStore,
  ring: KeyEncryptionRing,
  runtime: Runtime,
  stored: SecretRecord,
): Promise<'rewrapped' | 'skipped' | SecretErrorCode> {
  let record: SecretRecord | null = stored;
  for (let tries = 1; record !== null; tries++) {
    const next: SecretRecord = { ...record, version: record.version + 1 };
    try {
      if (sealedUnder(record.sealed, record.id) === ring.current) return 'skipped';
      const sealed = await rewrapSecret(ring, record.sealed, record, next);
      if (await store.putSecret({ ...next, sealed }, record.version)) return 'rewrapped';
    } catch (error) {
      if (isSecretError(error)) return error.code;
      throw error;
    }
    if (tries === maxTries) return 'secret_conflict';
    await pause(runtime, runtime.random() * 10 * tries);
    record = await store.findSecret(record.id);
  }
  return 'skipped';
}
