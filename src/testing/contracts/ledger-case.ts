import assert from 'node:assert/strict';
import type { Ledger, LedgerScope, LimitUnit, ReserveResult, ScopeState } from '../../limits/ledger.ts';

/** A ledger under test. Made fresh and empty for every case. */
export interface LedgerHarness {
  readonly ledger: Ledger;
  /** The ledger's own clock, milliseconds since the epoch. */
  readonly now: () => number | Promise<number>;
  /** Moves the ledger's clock on by at least `ms`: at once where it is virtual, by waiting where it is not. */
  readonly advance: (ms: number) => void | Promise<void>;
}

/** One sentence of the interface, as a test. */
export interface LedgerCase {
  readonly name: string;
  /** @throws AssertionError when the ledger breaks the contract */
  run(harness: LedgerHarness): Promise<void>;
}

/** A lease that no case outlives by accident. */
export const leaseMs = 60_000;

/** Milliseconds of an hour. */
export const hourMs = 3_600_000;

type ScopeOptions = { key?: string; hold?: number; mode?: 'block' | 'warn'; windowMs?: number | undefined };

/** A scope whose key is its unit, for one, of a window that does not end on the way. */
export function scope(unit: LimitUnit, amount: number, options: ScopeOptions = {}): LedgerScope {
  // far longer than any case runs, so that no window ends beneath one
  const windowMs =
    unit === 'parallel' ? undefined : 'windowMs' in options ? options.windowMs : 87_600 * hourMs;
  return {
    key: options.key ?? unit,
    unit,
    amount,
    hold: options.hold ?? 1,
    mode: options.mode ?? 'block',
    ...(windowMs !== undefined && { windowMs }),
  };
}

export function figures({ key, used, held, amount }: ScopeState) {
  return { key, used, held, amount };
}

export function granted(result: ReserveResult) {
  assert.ok(result.granted, 'a reservation that fits was denied');
  return result;
}

export function denied(result: ReserveResult) {
  assert.ok(!result.granted, 'a reservation that does not fit was granted');
  return result;
}

/** Used and held of each scope, as peek tells them. */
export async function expectFigures(
  ledger: Ledger,
  scopes: readonly LedgerScope[],
  expected: readonly (readonly [used: number, held: number])[],
): Promise<void> {
  const states = await ledger.peek(scopes.map(({ hold: _hold, ...rest }) => rest));
  assert.deepEqual(
    states.map(({ used, held }) => [used, held]),
    expected,
  );
}
