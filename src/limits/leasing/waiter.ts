import type { LedgerScope, ReserveResult } from '../ledger.ts';

/** A request that memory could not decide. */
export interface Waiter {
  readonly id: string;
  readonly scopes: readonly LedgerScope[];
  readonly leaseMs: number;
  /** Its place in the order of arrivals and questions. */
  readonly arrived: number;
  /** When it has waited too long, by the monotonic clock. */
  readonly untilMs: number;
  /** How often it was looked at. */
  rounds: number;
  readonly resolve: (result: ReserveResult) => void;
  readonly reject: (error: unknown) => void;
}
