import type { LimitEvent } from './limit-event.ts';

/**
 * What a gateway calls with each event; it throws only where `onError` does. Who has no `onLimit` is told of an outage
 * of the ledger all the same, through `onError`, as is what `onLimit` throws.
 */
export function tellOfLimits(
  onLimit: ((event: LimitEvent) => void) | undefined,
  onError: (error: unknown) => void,
): (event: LimitEvent) => void {
  return (event) => {
    try {
      if (onLimit) onLimit(event);
      else if (event.kind === 'ledger' && event.state === 'degraded') {
        onError(new Error('Limits are decided without their ledger.', { cause: event.cause }));
      }
    } catch (error) {
      onError(error);
    }
  };
}
