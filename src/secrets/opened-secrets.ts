import type { Runtime } from '../runtime.ts';
import type { SecretRecord } from '../stores/secret-store.ts';
import { openSealed } from './envelope.ts';
import { createHeldCache } from './held-cache.ts';
import type { KeyEncryptionRing } from './key-encryption-ring.ts';
import { describeUnusable, Secret } from './secret.ts';
import { isSecretError, SecretError } from './secret-error.ts';

/** A secret, or why it cannot be used. */
export type SecretResult = Secret | SecretError;

/** How long opened secrets are kept. */
export interface OpenedSecretsOptions {
  /** An opened secret is forgotten when unused for this long; one in use is opened again this often. @default 60_000 */
  readonly openTtlMs?: number;
  /** Opened secrets kept; the least recently used goes first. @default 1_000 */
  readonly maxOpen?: number;
  /** Secrets that a key service opens at once; any more are unavailable for the moment. @default 100 */
  readonly maxOpening?: number;
  /** While the key service fails, a secret is tried again this often. @default 1_000 */
  readonly retryMs?: number;
}

/** Opened secrets, by the record that they were opened from. */
export interface OpenedSecrets {
  /** Synchronous when it is known or no key service is needed, else a promise that never rejects. */
  get(record: SecretRecord): SecretResult | Promise<SecretResult>;
  /** Opens the new version of a secret that is in use, so that nobody waits for it. */
  renew(record: SecretRecord): void;
  forget(id: string): void;
  /** Keeps the secret of this id open until the returned function is called. */
  hold(id: string): () => void;
  /** Forgets unused secrets. */
  sweep(): void;
  clear(): void;
}

interface Entry {
  record: SecretRecord;
  result: SecretResult | undefined;
  /** What `result` came from: an older version until a key service has opened the newer one. */
  resultOf: SecretRecord;
  openedAtMs: number;
  usedAtMs: number;
  /** When to try again after the key service failed; 0 otherwise. */
  retryAtMs: number;
  opening: Promise<SecretResult> | undefined;
}

type Bounds = Required<OpenedSecretsOptions>;

/** Opens lazily, remembers for a while, reports a failure once for each version of a record. */
export function createOpenedSecrets(
  ring: KeyEncryptionRing,
  runtime: Runtime,
  { openTtlMs, maxOpen, maxOpening, retryMs }: Bounds,
  report: (error: SecretError) => void,
): OpenedSecrets {
  const opened = createHeldCache<Entry>(maxOpen);
  const reported = new WeakSet<SecretRecord>();
  let openingCount = 0;

  const settle = (entry: Entry, outcome: string | SecretError): SecretResult => {
    const { record } = entry;
    const nowMs = runtime.monotonicMs();
    const result = typeof outcome === 'string' ? toResult(record, outcome, entry.result) : outcome;
    if (result instanceof Secret) {
      reported.delete(record);
      entry.retryAtMs = 0;
    } else {
      if (!reported.has(record)) report(result);
      reported.add(record);
      entry.retryAtMs = isPassing(result) ? nowMs + retryMs : Number.POSITIVE_INFINITY;
      // what was opened before stays in use while the key service is down; a seal that does not open ends it
      if (isPassing(result) && entry.result instanceof Secret) return entry.result;
    }
    entry.result = result;
    entry.resultOf = record;
    entry.openedAtMs = nowMs;
    return result;
  };

  const open = (entry: Entry): SecretResult | Promise<SecretResult> => {
    const { record } = entry;
    if (openingCount >= maxOpening) return entry.result ?? tooMany(record);
    let text: string | Promise<string>;
    try {
      text = openSealed(ring, record.sealed, record);
    } catch (error) {
      return settle(entry, toSecretError(record, error));
    }
    if (typeof text === 'string') return settle(entry, text);
    openingCount++;
    const opening: Promise<SecretResult> = text
      .catch((error: unknown) => toSecretError(record, error))
      .then((outcome) => {
        openingCount--;
        // a newer version is already being opened: this result is only for those who wait for it
        if (entry.opening !== opening) return toResult(record, outcome, undefined);
        entry.opening = undefined;
        return settle(entry, outcome);
      });
    entry.opening = opening;
    return entry.result instanceof Secret ? entry.result : opening;
  };

  const get = (record: SecretRecord): SecretResult | Promise<SecretResult> => {
    const nowMs = runtime.monotonicMs();
    const entry = opened.get(record.id);
    if (!entry) {
      const fresh: Entry = {
        record,
        result: undefined,
        resultOf: record,
        openedAtMs: 0,
        usedAtMs: nowMs,
        retryAtMs: 0,
        opening: undefined,
      };
      opened.set(record.id, fresh);
      return open(fresh);
    }
    entry.usedAtMs = nowMs;
    if (entry.record !== record) {
      if (!isSuccessor(record, entry.record)) entry.result = undefined;
      entry.record = record;
      entry.retryAtMs = 0;
      entry.opening = undefined;
      return open(entry);
    }
    const { result, resultOf, opening } = entry;
    if (opening) return result instanceof Secret ? result : opening;
    const isFresh = resultOf === record && nowMs - entry.openedAtMs < openTtlMs;
    if (result instanceof Secret && isFresh) return result;
    if (result !== undefined && nowMs < entry.retryAtMs) return result;
    return open(entry);
  };

  return {
    get,
    renew(record) {
      const entry = opened.get(record.id);
      if (entry && entry.record !== record) get(record);
    },
    forget: opened.delete,
    hold: opened.hold,
    sweep() {
      const nowMs = runtime.monotonicMs();
      // a failure holds no secret to forget
      opened.sweep(({ result, usedAtMs }) => result instanceof Secret && nowMs - usedAtMs >= openTtlMs);
    },
    clear: opened.clear,
  };
}

/** The earlier secret if it has this text, so that an unchanged secret stays the same object. */
function toResult(
  { id }: SecretRecord,
  outcome: string | SecretError,
  before: SecretResult | undefined,
): SecretResult {
  if (typeof outcome !== 'string') return outcome;
  if (before instanceof Secret && before.holds(outcome)) return before;
  const problem = describeUnusable(outcome);
  if (problem === undefined) return new Secret(id, outcome);
  return new SecretError('secret_invalid', `The secret "${id}" opens, but: ${problem}`, { secret: id });
}

/** Whether it is a later version of the same record rather than another one under its id. */
function isSuccessor(record: SecretRecord, before: SecretRecord): boolean {
  return (
    record.provider === before.provider &&
    record.scope === before.scope &&
    record.subject === before.subject &&
    record.createdAtMs === before.createdAtMs
  );
}

function isPassing({ code }: SecretError): boolean {
  return code === 'key_encryption_key_unavailable';
}

function toSecretError({ id }: SecretRecord, error: unknown): SecretError {
  if (isSecretError(error)) return error;
  return new SecretError('secret_malformed', `The secret "${id}" cannot be opened.`, {
    secret: id,
    cause: error,
  });
}

function tooMany({ id }: SecretRecord): SecretError {
  return new SecretError(
    'secret_unavailable',
    `The secret "${id}" waits: too many are being opened by the key service.`,
    { secret: id },
  );
}
