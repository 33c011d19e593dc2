import { withDeadline } from '../deadline.ts';
import type { Runtime } from '../runtime.ts';
import type { SecretRecord, SecretStore } from '../stores/secret-store.ts';
import type { Unwatch } from '../stores/watch.ts';
import { SecretError } from './secret-error.ts';
import { isSecretRecord, type VaultRecords } from './vault-records.ts';

/** How the store is followed. */
export interface FollowOptions {
  /** How often the store's stamp is read, in case no push comes. @default 1_000 */
  readonly pollMs?: number;
  /** How long one call of the store may take. @default 5_000 */
  readonly deadlineMs?: number;
  /** Records read at once. @default 1_000 */
  readonly pageSize?: number;
  /** Records kept; a store with more is an error, and what was known stays. @default 100_000 */
  readonly maxRecords?: number;
}

/** Keeps the records in step with the store. */
export interface VaultFollower {
  /** When the store last confirmed that the records are current; `undefined` before the first time. */
  readonly freshAtMs: number | undefined;
  /** Begins to follow. */
  start(): void;
  /** Reads one record, or all. Rejects when the store fails. */
  refresh(id?: string): Promise<void>;
  close(): Promise<void>;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: SecretError) => void;
}

/** What a follower needs. */
export interface FollowerParts {
  readonly store: SecretStore;
  readonly records: VaultRecords;
  readonly runtime: Runtime;
  readonly options: Required<FollowOptions>;
  /** Called with changed ids. */
  readonly onChange: (ids: readonly string[]) => void;
  /** Called at every poll. */
  readonly onPoll: () => void;
  readonly report: (error: SecretError) => void;
}

const maxDueIds = 1_000;

/**
 * Follows a store by push and by poll. Reads run one at a time, so that an old answer never overwrites a newer one;
 * what is requested meanwhile is done together in the next turn.
 */
export function createVaultFollower(parts: FollowerParts): VaultFollower {
  const { store, records, runtime, onChange, onPoll, report } = parts;
  const { pollMs, deadlineMs, pageSize, maxRecords } = parts.options;
  let freshAtMs: number | undefined;
  /** `undefined` while the records are not known to match the store. */
  let stamp: number | undefined;
  let isAllDue = false;
  let dueIds = new Set<string>();
  let waiters: Waiter[] = [];
  let isRunning = false;
  let isFailing = false;
  let isClosed = false;
  let readAllMs = 0;
  let knownDamaged: ReadonlySet<string> = new Set();
  let cancelPoll: () => void = noop;
  let unwatch: Unwatch | undefined;

  const ask = async <T>(work: () => Promise<T>): Promise<T> => {
    if (isClosed) throw closed();
    return withDeadline(runtime, deadlineMs, 'The secret store', invoke(work));
  };

  const readAll = async (): Promise<void> => {
    const beganAtMs = runtime.monotonicMs();
    // before the records: a change while they are read makes the next poll read them again
    const stampBefore = await ask(() => store.readSecretsStamp());
    const seen = new Set<string>();
    const damaged = new Set<string>();
    for (let after: string | undefined; ; ) {
      const query = { limit: pageSize, ...(after !== undefined && { after }) };
      const page = await ask(() => store.listSecrets(query));
      if (isClosed) return;
      if (seen.size + page.length > maxRecords)
        throw new RangeError(`There are more than ${maxRecords} secrets ("maxRecords").`);
      takePage(page, seen, damaged);
      if (page.length < pageSize) break;
      const last: unknown = page.at(-1)?.id;
      if (typeof last !== 'string' || (after !== undefined && last <= after))
        throw new TypeError('SecretStore.listSecrets must go forward.');
      after = last;
    }
    onChange(records.retain(seen));
    for (const id of damaged) if (!knownDamaged.has(id)) report(toDamaged(id));
    knownDamaged = damaged;
    stamp = stampBefore;
    freshAtMs = beganAtMs;
    readAllMs = runtime.monotonicMs() - beganAtMs;
  };

  /** Page by page, since many records at once would keep requests waiting. */
  const takePage = (page: readonly SecretRecord[], seen: Set<string>, damaged: Set<string>): void => {
    const changed: string[] = [];
    for (const record of page) {
      if (!isSecretRecord(record)) {
        damaged.add(String((record as Partial<SecretRecord> | null)?.id));
        continue;
      }
      seen.add(record.id);
      if (records.set(record.id, record)) changed.push(record.id);
    }
    onChange(changed);
  };

  const readOne = async (id: string): Promise<void> => {
    const record = await ask(() => store.findSecret(id));
    if (record !== null && !isSecretRecord(record)) throw toDamaged(id);
    if (!isClosed && records.set(id, record)) onChange([id]);
  };

  const run = async (): Promise<void> => {
    isRunning = true;
    while ((isAllDue || dueIds.size > 0 || waiters.length > 0) && !isClosed) {
      const turn = { all: isAllDue, ids: dueIds, waiters };
      isAllDue = false;
      dueIds = new Set();
      waiters = [];
      try {
        if (turn.all) await readAll();
        else for (const id of turn.ids) await readOne(id);
        isFailing = false;
        for (const waiter of turn.waiters) waiter.resolve();
      } catch (cause) {
        // part of what was due may be unread: the next poll reads everything
        stamp = undefined;
        const error = fail(cause);
        for (const waiter of turn.waiters) waiter.reject(error);
      }
    }
    isRunning = false;
  };

  const fail = (cause: unknown): SecretError => {
    const error = new SecretError(
      'secret_store_unavailable',
      'The secret store failed; what is known of it stays in use.',
      {
        cause,
      },
    );
    if (!isFailing && !isClosed) report(error);
    isFailing = true;
    return error;
  };

  const request = (id: string | undefined): void => {
    if (isClosed) return;
    if (id === undefined || dueIds.size >= maxDueIds) isAllDue = true;
    else dueIds.add(id);
    if (!isRunning) void run();
  };

  const refresh = (id: string | undefined): Promise<void> => {
    if (isClosed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      waiters.push({ resolve, reject });
      request(id);
    });
  };

  const poll = async (): Promise<void> => {
    onPoll();
    if (isRunning) return;
    if (stamp === undefined) return request(undefined);
    const askedAtMs = runtime.monotonicMs();
    const before = stamp;
    try {
      const now = await ask(() => store.readSecretsStamp());
      // a turn that ran meanwhile has set a stamp of its own
      if (stamp !== before) return;
      if (now === stamp) freshAtMs = askedAtMs;
      else request(undefined);
      isFailing = false;
    } catch (cause) {
      fail(cause);
    }
  };

  const schedulePoll = (): void => {
    if (isClosed) return;
    // a large store that changes all the time must not be read all the time
    cancelPoll = runtime.schedule(Math.max(pollMs, readAllMs * 10), () => {
      void poll().then(schedulePoll);
    });
  };

  return {
    get freshAtMs() {
      return freshAtMs;
    },
    start() {
      if (unwatch || isClosed) return;
      unwatch = store.watchSecrets?.(request) ?? (async () => undefined);
      schedulePoll();
    },
    refresh,
    async close() {
      isClosed = true;
      cancelPoll();
      for (const waiter of waiters) waiter.reject(closed());
      waiters = [];
      await unwatch?.();
    },
  };
}

function toDamaged(secret: string): SecretError {
  return new SecretError('secret_malformed', `The record of the secret "${secret}" is damaged.`, { secret });
}

function closed(): SecretError {
  return new SecretError('secret_unavailable', 'The vault is closed.');
}

/** So that a synchronous throw counts as a rejection. */
async function invoke<T>(work: () => Promise<T>): Promise<T> {
  return work();
}

function noop(): void {}
