import type { Runtime } from '../../runtime.ts';
import { isLate } from './is-late.ts';

/** Says whether a ledger may be asked. */
export interface LedgerBreaker {
  readonly isOpen: boolean;
  /** When its state last changed, by the monotonic clock. */
  readonly sinceMs: number;
  /** Why it opened; undefined while it is closed. */
  readonly cause: unknown;
  /** Failures in a row. */
  readonly failures: number;
  /** Allows a call: a token to report its end with; undefined while the ledger must not be asked. */
  enter(): number | undefined;
  succeed(token: number): void;
  fail(token: number, cause: unknown): void;
  /** The call said nothing about the ledger's health. */
  leave(token: number): void;
}

/**
 * Opens after `maxFailures` failures in a row, not counting late answers, or when only failures and late answers came
 * for `maxFailingMs`: many calls under way at once are all late together, and the next is not. Lets one call through
 * after `probeMs`, then after twice as long each time, up to `openMs`; give or take a fifth, so that nodes do not come
 * back together. A ledger that fails again soon after it came back is tried as seldom as before.
 */
export function createLedgerBreaker(options: {
  readonly runtime: Runtime;
  readonly maxFailures: number;
  readonly maxFailingMs: number;
  readonly probeMs: number;
  readonly openMs: number;
  readonly onChange: () => void;
}): LedgerBreaker {
  const { runtime, maxFailures, maxFailingMs, probeMs, openMs, onChange } = options;
  let isOpen = false;
  let sinceMs = runtime.monotonicMs();
  let cause: unknown;
  let failures = 0;
  /** Failures that were not just late. */
  let refusals = 0;
  let failingSinceMs = 0;
  let probeAtMs = 0;
  let waitMs = Math.min(probeMs, openMs);
  let probe: number | undefined;
  /** Tokens from before the last change say nothing about the time after it. */
  let generation = 0;

  function change(open: boolean, nowMs: number): void {
    isOpen = open;
    sinceMs = nowMs;
    generation++;
    onChange();
  }

  function openUntilProbe(nowMs: number): void {
    probe = undefined;
    probeAtMs = nowMs + waitMs * (0.8 + 0.4 * runtime.random());
    waitMs = Math.min(waitMs * 2, openMs);
  }

  function open(nowMs: number): void {
    // it was well in between
    if (nowMs - sinceMs >= openMs) waitMs = Math.min(probeMs, openMs);
    openUntilProbe(nowMs);
    change(true, nowMs);
  }

  return {
    get isOpen() {
      return isOpen;
    },
    get sinceMs() {
      return sinceMs;
    },
    get cause() {
      return cause;
    },
    get failures() {
      return failures;
    },
    enter() {
      if (!isOpen) return generation;
      if (probe !== undefined || runtime.monotonicMs() < probeAtMs) return undefined;
      probe = ++generation;
      return probe;
    },
    succeed(token) {
      if (token !== generation) return;
      failures = 0;
      refusals = 0;
      if (!isOpen) return;
      probe = undefined;
      cause = undefined;
      change(false, runtime.monotonicMs());
    },
    fail(token, reason) {
      if (token !== generation) return;
      const nowMs = runtime.monotonicMs();
      if (failures++ === 0) failingSinceMs = nowMs;
      if (!isLate(reason)) refusals++;
      cause = reason;
      if (isOpen) openUntilProbe(nowMs);
      else if (refusals >= maxFailures || nowMs - failingSinceMs >= maxFailingMs) open(nowMs);
    },
    leave(token) {
      if (token === probe) probe = undefined;
    },
  };
}
