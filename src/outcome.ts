import type { Outcome } from './message.ts';

/** The outcome of a reply whose bytes are all there, readable as a promise or at once. */
interface KnownOutcome extends Promise<Outcome> {
  known?: Outcome;
}

/** A promise of an outcome that is already known: `whenEnded` need not wait for it. */
export function toKnownOutcome(outcome: Outcome): Promise<Outcome> {
  const promise: KnownOutcome = Promise.resolve(outcome);
  promise.known = outcome;
  return promise;
}

/**
 * Calls `act` when a request has ended: at once if it already has. A promise takes a turn even for what is known, and
 * most replies are whole when they are returned. `act` must not throw.
 */
export function whenEnded(outcome: Promise<Outcome>, act: (ended: Outcome) => void): void {
  const { known } = outcome as KnownOutcome;
  if (known === undefined) void outcome.then(act);
  else act(known);
}
