import type { Outcome } from './message.ts';

/** The outcome of a reply whose bytes are all there, for who looks at it later and for who asks at once. */
interface KnownOutcome extends Promise<Outcome> {
  known?: Outcome;
}

/** A promise of an outcome that is known already: `whenEnded` need not wait for it. */
export function toKnownOutcome(outcome: Outcome): Promise<Outcome> {
  const promise: KnownOutcome = Promise.resolve(outcome);
  promise.known = outcome;
  return promise;
}

/**
 * Acts when a request has ended: at once where that is so already, else when it is. A promise takes a turn even for what is
 * known, and most replies are whole when they are answered with. `act` must not throw.
 */
export function whenEnded(outcome: Promise<Outcome>, act: (ended: Outcome) => void): void {
  const { known } = outcome as KnownOutcome;
  if (known === undefined) void outcome.then(act);
  else act(known);
}
