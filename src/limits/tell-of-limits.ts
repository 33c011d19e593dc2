import type { LimitEvent } from './limit-event.ts';

/**
 * What a gateway calls with each event; it throws only if `onError` does. `onError` gets what `onLimit` throws, and
 * without `onLimit` also an outage of the ledger.
 */
export function tellOfLimits(
  onLimit: ((event: LimitEvent) => unknown) | undefined,
  onError: (error: unknown) => void,
): (event: LimitEvent) => void {
  return (event) => {
    try {
      const telling = onLimit?.(event);
      if (telling instanceof Promise) telling.catch(onError);
      if (!onLimit && event.kind === 'ledger' && event.state === 'degraded') {
        onError(new Error('Limits are decided without their ledger.', { cause: event.cause }));
      }
    } catch (error) {
      onError(error);
    }
  };
}
