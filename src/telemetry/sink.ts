import { quietly } from '../quietly.ts';
import { createRuntime, type Runtime } from '../runtime.ts';
import { appendLines } from './append-lines.ts';
import type { RequestRecord } from './record.ts';

/** Takes finished records. It is called off the request path: a slow or failing sink never delays or fails a request. */
export interface UsageSink {
  /** Takes one record. MUST NOT throw for a record it cannot store now; it keeps it for the next flush. */
  write(record: RequestRecord): void;
  /** Resolves when everything written so far is stored. Called on `close`. */
  flush?(): Promise<void>;
}

/** A sink that keeps the latest records in memory. */
export interface MemorySink extends UsageSink {
  /** Oldest first. */
  readonly records: readonly RequestRecord[];
}

/**
 * Keeps the last records in memory, for tests, demos and small tools.
 *
 * @param options.max how many; the oldest go first. @default 1_000
 */
export function createMemorySink(options: { readonly max?: number } = {}): MemorySink {
  const max = options.max ?? 1_000;
  const ring: RequestRecord[] = [];
  let next = 0;
  return {
    write(record) {
      if (ring.length < max) ring.push(record);
      else ring[next] = record;
      next = (next + 1) % max;
    },
    get records() {
      return ring.length < max ? [...ring] : [...ring.slice(next), ...ring.slice(0, next)];
    },
  };
}

/** Delay after a failed write, unless a record comes first. */
const retryMs = 1_000;

/**
 * Appends records to a file, one JSON object a line. Lines are gathered and written together, one write at a time; when
 * a write fails, they are kept and retried with the next record, or a second later without one, up to `maxPending`
 * lines, the oldest dropped first. No line is torn or written twice.
 *
 * @param options.maxPending @default 10_000
 * @param options.onError called for every failed write, with how many lines were dropped so far. @default not called
 * @param options.runtime @default createRuntime()
 */
export function createJsonlSink(
  path: string,
  options: {
    readonly maxPending?: number;
    readonly onError?: (error: unknown, dropped: number) => void;
    readonly runtime?: Pick<Runtime, 'schedule'>;
  } = {},
): UsageSink {
  const { maxPending = 10_000, runtime = createRuntime() } = options;
  let cancelRetry: (() => void) | undefined;
  let pending: string[] = [];
  let dropped = 0;
  let writing: Promise<void> | undefined;
  const onError = quietly(options.onError);

  async function drain(): Promise<void> {
    while (pending.length > 0) {
      const lines = pending;
      pending = [];
      try {
        await appendLines(path, lines.join(''));
      } catch (error) {
        pending = [...lines, ...pending];
        if (pending.length > maxPending) dropped += pending.splice(0, pending.length - maxPending).length;
        onError(error, dropped);
        cancelRetry = runtime.schedule(retryMs, () => void start());
        return;
      }
    }
  }

  function start(): Promise<void> {
    cancelRetry?.();
    cancelRetry = undefined;
    writing ??= drain().finally(() => {
      writing = undefined;
      // what came after the last check
      if (pending.length > 0 && !cancelRetry) void start();
    });
    return writing;
  }

  return {
    write(record) {
      pending.push(`${JSON.stringify(record)}\n`);
      if (pending.length > maxPending) {
        pending.shift();
        dropped++;
      }
      // the write begins a turn later, so that records finished together are written together
      if (!writing) queueMicrotask(() => void start());
    },
    async flush() {
      await writing;
      await start();
    },
  };
}

/** A sink from a function; what it throws or rejects with goes to `onError` and nowhere else. */
export function createFunctionSink(
  write: (record: RequestRecord) => void | Promise<void>,
  onError?: (error: unknown) => void,
): UsageSink {
  const tell = quietly(onError);
  const running = new Set<Promise<void>>();
  return {
    write(record) {
      try {
        const result = write(record);
        if (!result) return;
        // a function without types may return anything
        const tracked = Promise.resolve(result)
          .catch(tell)
          .finally(() => running.delete(tracked));
        running.add(tracked);
      } catch (error) {
        tell(error);
      }
    },
    async flush() {
      await Promise.all(running);
    },
  };
}
