import type { LimitEvent } from '../../limits/limit-event.ts';

/** What operators read about an event; undefined for events of single requests, which are in records. */
export function describeLimitEvent(event: LimitEvent): string | undefined {
  if (event.kind !== 'ledger') return undefined;
  const seconds = (event.lastedMs / 1_000).toFixed(1);
  if (event.state === 'healthy') return `limits are decided by their store again, after ${seconds} s.`;
  const { cause } = event;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return `limits are decided without their store (${reason}): each does as its onFailure says.`;
}
