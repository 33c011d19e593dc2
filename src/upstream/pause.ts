import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import type { PlaceQueue } from './health/place-queue.ts';
import type { TargetHealth } from './health/target-health.ts';

/** Somebody who can be told to stop waiting. */
export interface Waiting {
  end: ((error: unknown) => void) | undefined;
}

/**
 * Waits, but no longer than the caller does.
 *
 * @param waiting gets the way to end it early
 * @throws the signal's reason when the caller is gone; the error it was ended with
 */
export function pause(
  waitMs: number,
  runtime: Runtime,
  signal: AbortSignal,
  waiting: Waiting,
): Promise<void> {
  return settling(signal, waiting, (settle) => {
    const cancel = runtime.schedule(waitMs, () => settle());
    return cancel;
  });
}

/** How requests wait in a queue. */
export interface QueueBounds {
  /** How many others may wait ahead. */
  readonly most: number;
  readonly mostWaitMs: number;
  readonly isBatch: boolean;
}

/**
 * Waits until a target takes another request.
 *
 * @throws GatewayError `rate_limited` when too many wait, or for too long; as `pause`
 */
export function whenFree(
  { places }: TargetHealth,
  bounds: QueueBounds,
  runtime: Runtime,
  signal: AbortSignal,
  waiting: Waiting,
): Promise<void> {
  return settling(signal, waiting, (settle) => {
    const refuse = () => settle(busy());
    return waitIn(
      places,
      bounds,
      () => settle(),
      refuse,
      () => runtime.schedule(bounds.mostWaitMs, refuse),
    );
  });
}

/**
 * Waits until a target that is left alone may be probed, or a probe of it has ended; at most `mostWaitMs`.
 *
 * @param refusal the error when too many are waiting
 * @throws GatewayError the refusal; as `pause`
 */
export function whenRecovered(
  { recovery, breaker }: TargetHealth,
  bounds: QueueBounds,
  refusal: () => GatewayError,
  runtime: Runtime,
  signal: AbortSignal,
  waiting: Waiting,
): Promise<void> {
  const nowMs = runtime.monotonicMs();
  // it has recovered, or may be probed, since it was chosen
  if (breaker.isClosed || breaker.mayProbe(nowMs)) return Promise.resolve();
  const dueMs = breaker.waitMs(nowMs) || bounds.mostWaitMs;
  return settling(signal, waiting, (settle) => {
    const look = () => settle();
    return waitIn(
      recovery,
      bounds,
      look,
      () => settle(refusal()),
      () => runtime.schedule(Math.min(dueMs, bounds.mostWaitMs), look),
    );
  });
}

/** Joins a queue with a time limit; returns a function that leaves it. */
function waitIn(
  queue: PlaceQueue,
  { most, isBatch }: QueueBounds,
  wake: () => void,
  giveWay: () => void,
  limit: () => () => void,
): () => void {
  const waiter = { isBatch, wake, giveWay };
  if (!queue.add(waiter, most)) {
    giveWay();
    return () => undefined;
  }
  const cancel = limit();
  return () => {
    cancel();
    queue.remove(waiter);
  };
}

function settling(
  signal: AbortSignal,
  waiting: Waiting,
  begin: (settle: (error?: unknown) => void) => () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    let cancel: (() => void) | undefined;
    const settle = (error?: unknown) => {
      waiting.end = undefined;
      signal.removeEventListener('abort', onAbort);
      cancel?.();
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = () => settle(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    waiting.end = settle;
    cancel = begin(settle);
  });
}

function busy(): GatewayError {
  return new GatewayError(
    'rate_limited',
    'As many requests as the provider takes at once are on their way. Try again shortly.',
    { retryAfterSeconds: 1 },
  );
}
