import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import type { PlaceWaiter } from './health/place-queue.ts';
import type { TargetHealth } from './health/target-health.ts';

/** Somebody who can be told to stop waiting. */
export interface Waiting {
  end: ((error: unknown) => void) | undefined;
}

/**
 * Waits, and no longer than the caller does.
 *
 * @param waiting is given the way to end it early
 * @throws the signal's reason when the caller is gone; what it was ended with
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

/**
 * Waits until a target takes another request.
 *
 * @throws GatewayError `rate_limited` when too many wait, or for too long; as `pause`
 */
export function whenFree(
  health: TargetHealth,
  bounds: { readonly most: number; readonly mostWaitMs: number; readonly isBatch: boolean },
  runtime: Runtime,
  signal: AbortSignal,
  waiting: Waiting,
): Promise<void> {
  return settling(signal, waiting, (settle) => {
    const waiter: PlaceWaiter = {
      isBatch: bounds.isBatch,
      wake: () => settle(),
      giveWay: () => settle(busy()),
    };
    if (!health.whenFree(bounds.most, waiter)) {
      settle(busy());
      return () => undefined;
    }
    const cancel = runtime.schedule(bounds.mostWaitMs, () => settle(busy()));
    return () => {
      cancel();
      health.forgetWaiting(waiter);
    };
  });
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
