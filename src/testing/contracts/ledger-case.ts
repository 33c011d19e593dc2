import assert from 'node:assert/strict';
import type { Ledger, LedgerScope, ReserveResult, ScopeState, Span } from '../../limits/ledger.ts';
import { forever } from '../../limits/window-span.ts';
import type { Undo } from './key-store.ts';

/** A ledger under test, fresh and empty for every case. Whoever made it closes what it opened. */
export interface LedgerHarness {
  readonly ledger: Ledger;
  /**
   * Another ledger over the same store, as on another node: with its own connections. Only a ledger that lives in one
   * process may return `ledger` itself. May be called several times.
   */
  readonly second?: () => Ledger | Promise<Ledger>;
  /** The ledger's own clock, milliseconds since the epoch. */
  readonly now: () => number | Promise<number>;
  /** Moves the ledger's clock forward by at least `ms`: at once if it is virtual, by waiting if it is not. */
  readonly advance: (ms: number) => void | Promise<void>;
  /** Makes every call fail from now on (connections refused, server killed, …). The result undoes it. */
  readonly breakStore?: () => Undo | Promise<Undo>;
  /** Makes the store accept calls but answer none (server stopped, packets dropped). The result undoes it. */
  readonly freeze?: () => Undo | Promise<Undo>;
  /** Milliseconds within which the ledger itself gives up a call. @default 5_000 */
  readonly deadlineMs?: number;
  /** Milliseconds of the ledger's clock within which a lease that has run out stops holding. @default 2_000 */
  readonly sweepMs?: number;
}

/**
 * What a case needs of a harness besides a ledger and its clock. `exact`: a ledger sees at once what another over the
 * same store did, which is not so where each takes slices in advance.
 */
export type LedgerNeed = 'second' | 'exact' | 'breakStore' | 'freeze';

/** One rule of the interface, as a test. */
export interface LedgerCase {
  readonly name: string;
  /** What the ledger or the harness must be able to do for this case. `run` fails when it cannot. */
  readonly needs?: readonly LedgerNeed[];
  /** @throws AssertionError when the ledger breaks the contract */
  run(harness: LedgerHarness): Promise<void>;
}

/** A lease that no case outlives by accident. */
export const leaseMs = 60_000;

/** A lease that runs out while a case waits. */
export const briefMs = 400;

// a window that does not end during any case
const untilMs = Date.UTC(2200);
const century: Span = { bucket: 1, buckets: [1], fromMs: 1, untilMs, forgetMs: untilMs };

/** The bucket that began at `fromMs`, and the `count - 1` before it. */
export function spanFrom(fromMs: number, lengthMs: number, count = 1): Span {
  const buckets = Array.from({ length: count }, (_, index) => fromMs - (count - 1 - index) * lengthMs);
  const endMs = fromMs + lengthMs;
  return { bucket: fromMs, buckets, fromMs, untilMs: endMs, forgetMs: endMs + count * lengthMs + 3_600_000 };
}

type ScopeOptions = {
  hold?: number;
  charge?: number;
  mode?: 'block' | 'count';
  span?: Span;
};

/** A scope that holds 1 in a window that does not end meanwhile; when its lease runs out, its hold is counted. */
export function scope(key: string, amount: number, options: ScopeOptions = {}): LedgerScope {
  const { hold = 1, charge = hold, mode = 'block', span = century } = options;
  return { key, amount, hold, charge, mode, span };
}

/** A scope of slots: no window, and nothing is counted when its lease runs out. */
export function slots(key: string, amount: number): LedgerScope {
  return scope(key, amount, { charge: 0, span: forever });
}

/** A state without what a ledger may report besides its figures, to compare it as a whole. */
export function figures({ key, used, held, amount }: ScopeState) {
  return { key, used, held, amount };
}

type Granted = Extract<ReserveResult, { kind: 'granted' }>;
type Denied = Extract<ReserveResult, { kind: 'denied' }>;

/** The grant. @throws AssertionError for a denial or anything else */
export function granted(result: ReserveResult): Granted {
  assert.equal(result.kind, 'granted', 'a reservation that fits');
  return result as Granted;
}

/** The denial, and the state of the scope that denied. */
export function denied(result: ReserveResult): Denied & { readonly by: ScopeState } {
  assert.equal(result.kind, 'denied', 'a reservation that does not fit');
  const denial = result as Denied;
  const by = denial.scopes[denial.deniedAt];
  assert.ok(by, `deniedAt is ${denial.deniedAt}, of ${denial.scopes.length} scopes`);
  return { ...denial, by };
}

/** Expects `peek` to report this used and held of each scope. */
export async function expectFigures(
  ledger: Ledger,
  scopes: readonly LedgerScope[],
  expected: readonly (readonly [used: number, held: number])[],
): Promise<void> {
  const states = await ledger.peek(scopes);
  assert.deepEqual(
    states.map(({ used, held }) => [used, held]),
    expected,
  );
}

/** Moves the ledger's clock forward to `atMs`, unless it is later already. */
export async function advanceTo({ now, advance }: LedgerHarness, atMs: number): Promise<void> {
  const ms = atMs - (await now());
  if (ms > 0) await advance(ms);
}

let pokes = 0;

/** Expects `check` to pass within the harness's `sweepMs`, by the ledger's clock, while there is traffic. */
export async function soon(
  { ledger, now, advance, sweepMs = 2_000 }: LedgerHarness,
  check: () => Promise<void>,
): Promise<void> {
  const endMs = (await now()) + sweepMs;
  for (;;) {
    const id = `poke ${pokes++}`;
    await ledger.reserve(id, [slots('poke', 1_000)], leaseMs);
    await ledger.settle(id, []);
    try {
      return await check();
    } catch (error) {
      if ((await now()) >= endMs) throw error;
      await advance(25);
    }
  }
}

/** Reserves `toScopes(span)` in a short window that begins now; if that has ended, tries again with a new one. */
export async function reserveBriefly(
  { ledger, now }: LedgerHarness,
  id: string,
  lengthMs: number,
  toScopes: (span: Span) => readonly LedgerScope[],
): Promise<Span> {
  for (let round = 0; round < 10; round++) {
    const span = spanFrom(Math.floor(await now()), lengthMs);
    const result = await ledger.reserve(id, toScopes(span), leaseMs);
    if (result.kind === 'stale') continue;
    granted(result);
    return span;
  }
  return assert.fail(`no call has ended within a window of ${lengthMs} ms`);
}
