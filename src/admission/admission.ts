import type { Priority } from '../config/policy.ts';
import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import type { Load, LoadMonitor } from './load-monitor.ts';

/** How many requests are let in; the section `admission` of the configuration. */
export interface AdmissionOptions {
  readonly maxQueued: number;
  readonly maxQueueMs: number;
  readonly maxLoopDelayMs: number;
  readonly maxHeapShare: number;
}

/** Lets requests in, has them wait, or turns them away. */
export interface Admission {
  /**
   * Undefined when the request may proceed at once, else a promise that settles when it may. One let in must `leave`.
   *
   * @param whenGone like a request's: a caller who leaves stops waiting
   * @throws GatewayError `overloaded` (503), at once or as a rejection
   */
  enter(
    priority: Priority,
    options: AdmissionOptions,
    whenGone: (listener: () => void) => () => void,
  ): Promise<void> | undefined;
  /** A request that was let in has ended: the next may take its place. */
  leave(): void;
  /** Sets how many may be in from now on. */
  allow(maxInFlight: number): void;
  /** Waiting requests. */
  readonly queued: number;
  close(): void;
}

/** What an admission needs. */
export interface AdmissionParts {
  readonly runtime: Runtime;
  readonly monitor: LoadMonitor;
}

interface Waiter {
  readonly priority: Priority;
  readonly settle: (error?: GatewayError) => void;
}

const readEveryMs = 250;
const idle: Load = { loopDelayMs: 0, heapShare: 0 };
/** Batch requests are turned away earlier. */
const shareOf: Readonly<Record<Priority, number>> = { interactive: 1, batch: 0.5 };

/** One for each gateway. Only requests inside count: one that still waits for the key store takes no place. */
export function createAdmission({ runtime, monitor }: AdmissionParts): Admission {
  // interactive ones come first, each kind in order of arrival
  const queue: Waiter[] = [];
  let inside = 0;
  let most = 0;
  let load = idle;
  let readAtMs = Number.NEGATIVE_INFINITY;

  function letIn(): void {
    for (let next = queue[0]; next && inside < most; next = queue[0]) {
      inside++;
      next.settle();
    }
  }

  function checkLoad(priority: Priority, { maxLoopDelayMs, maxHeapShare }: AdmissionOptions): void {
    const nowMs = runtime.monotonicMs();
    if (nowMs - readAtMs >= readEveryMs) {
      readAtMs = nowMs;
      load = monitor.read();
    }
    const isSlow = load.loopDelayMs > maxLoopDelayMs * shareOf[priority];
    const isFull = load.heapShare > (priority === 'batch' ? maxHeapShare - 0.05 : maxHeapShare);
    if (isSlow || isFull) throw overloaded('This gateway is overloaded. Try again shortly.');
  }

  function wait(
    priority: Priority,
    { maxQueueMs }: AdmissionOptions,
    whenGone: (listener: () => void) => () => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        priority,
        settle(error) {
          cancel();
          forget();
          remove(waiter);
          if (error) reject(error);
          else resolve();
        },
      };
      const cancel = runtime.schedule(maxQueueMs, () =>
        waiter.settle(overloaded('No place became free in this gateway in time. Try again shortly.')),
      );
      const place = priority === 'batch' ? queue.length : queue.findIndex((one) => one.priority === 'batch');
      queue.splice(place < 0 ? queue.length : place, 0, waiter);
      let forget: () => void = () => undefined;
      forget = whenGone(() =>
        waiter.settle(new GatewayError('caller_gone', 'The caller closed the connection.')),
      );
    });
  }

  function remove(waiter: Waiter): void {
    const index = queue.indexOf(waiter);
    if (index >= 0) queue.splice(index, 1);
  }

  return {
    get queued() {
      return queue.length;
    },
    enter(priority, options, whenGone) {
      checkLoad(priority, options);
      if (inside < most) {
        inside++;
        return undefined;
      }
      if (queue.length >= options.maxQueued) {
        const last = queue.at(-1);
        const isPassed = priority === 'interactive' && last?.priority === 'batch';
        const error = overloaded(
          'As many requests as this gateway takes are on their way. Try again shortly.',
        );
        if (!isPassed) throw error;
        last.settle(error);
      }
      return wait(priority, options, whenGone);
    },
    leave() {
      inside--;
      letIn();
    },
    allow(maxInFlight) {
      most = maxInFlight;
      letIn();
    },
    close() {
      monitor.close();
      for (const waiter of [...queue]) {
        waiter.settle(
          new GatewayError('shutting_down', 'This gateway is shutting down.', { retryAfterSeconds: 1 }),
        );
      }
    },
  };
}

function overloaded(message: string): GatewayError {
  return new GatewayError('overloaded', message, { retryAfterSeconds: 1 });
}
