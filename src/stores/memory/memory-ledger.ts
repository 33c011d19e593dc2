import type { Ledger, LedgerScope, ReserveResult, ScopeState } from '../../limits/ledger.ts';
import type { Runtime } from '../../runtime.ts';

interface Window {
  readonly id: number;
  used: number;
  held: number;
}

interface Reservation {
  readonly scopes: readonly LedgerScope[];
  /** The window each scope was reserved in, in the same order. */
  readonly windows: readonly Window[];
  readonly result: ReserveResult;
  expiresAtMs: number;
}

/** Bounds of a memory ledger. */
export interface MemoryLedgerOptions {
  /** Settled reservations remembered at least, so that a repeated id changes nothing; at most twice as many. @default 1_000 */
  readonly maxSettled?: number;
  /** Scopes without any hold and past their window are forgotten above this many. @default 100_000 */
  readonly maxScopes?: number;
}

/**
 * A ledger in the memory of one process: exact, since JavaScript runs one step at a time, and gone with the process.
 * Windows are fixed and aligned to the epoch; a settlement goes to the window of its reservation.
 */
export function createMemoryLedger(runtime: Runtime, options: MemoryLedgerOptions = {}): Ledger {
  const maxScopes = options.maxScopes ?? 100_000;
  const windows = new Map<string, Window>();
  const open = new Map<string, Reservation>();
  const maxSettled = options.maxSettled ?? 1_000;
  // two generations: when the newer is full the older is forgotten, which costs nothing for each entry
  let settled = new Map<string, ReserveResult>();
  let settledBefore = settled;
  let sweptAtMs = 0;

  function remember(id: string, result: ReserveResult): void {
    if (settled.size >= maxSettled) {
      settledBefore = settled;
      settled = new Map();
    }
    settled.set(id, result);
  }

  function windowOf(scope: Pick<LedgerScope, 'key' | 'windowMs'>, nowMs: number): Window {
    const id = scope.windowMs === undefined ? 0 : Math.floor(nowMs / scope.windowMs);
    const known = windows.get(scope.key);
    if (known && known.id >= id) return known;
    const window = { id, used: 0, held: 0 };
    windows.set(scope.key, window);
    if (windows.size > maxScopes) forgetIdle();
    return window;
  }

  function forgetIdle(): void {
    for (const [key, window] of windows) {
      if (windows.size <= maxScopes) return;
      // a lifetime window (id 0) is somebody's budget and is never forgotten
      if (window.held === 0 && window.id !== 0) windows.delete(key);
    }
  }

  function stateOf({ key, amount, windowMs }: Omit<LedgerScope, 'hold'>, window: Window): ScopeState {
    const resetsAtMs = windowMs === undefined ? undefined : (window.id + 1) * windowMs;
    return { key, used: window.used, held: window.held, amount, resetsAtMs };
  }

  function resolve(id: string, reservation: Reservation, used: readonly number[]): void {
    const { scopes, windows, result } = reservation;
    open.delete(id);
    remember(id, result);
    for (let index = 0; index < scopes.length; index++) {
      const window = windows[index] as Window;
      window.held -= (scopes[index] as LedgerScope).hold;
      window.used += used[index] ?? 0;
    }
  }

  function sweep(nowMs: number): void {
    if (nowMs - sweptAtMs < 1_000) return;
    sweptAtMs = nowMs;
    for (const [id, reservation] of open) {
      if (reservation.expiresAtMs > nowMs) continue;
      // nobody told what became of it: it counts as used, except for what is only held while it runs
      const used = reservation.scopes.map(({ unit, hold }) => (unit === 'parallel' ? 0 : hold));
      resolve(id, reservation, used);
    }
  }

  return {
    reserve(id, scopes, leaseMs) {
      const known = open.get(id)?.result ?? settled.get(id) ?? settledBefore.get(id);
      if (known) return known;
      const nowMs = runtime.now();
      sweep(nowMs);
      const drawn: Window[] = [];
      let deniedAt = -1;
      for (let index = 0; index < scopes.length; index++) {
        const scope = scopes[index] as LedgerScope;
        const window = windowOf(scope, nowMs);
        drawn.push(window);
        const isFull = window.used + window.held + scope.hold > scope.amount;
        if (isFull && scope.mode === 'block' && deniedAt < 0) deniedAt = index;
      }
      const states: ScopeState[] = [];
      for (let index = 0; index < scopes.length; index++) {
        const scope = scopes[index] as LedgerScope;
        const window = drawn[index] as Window;
        if (deniedAt < 0) window.held += scope.hold;
        states.push(stateOf(scope, window));
      }
      const result: ReserveResult =
        deniedAt < 0
          ? { granted: true, scopes: states }
          : { granted: false, denied: states[deniedAt] as ScopeState, scopes: states };
      if (deniedAt < 0) open.set(id, { scopes, windows: drawn, result, expiresAtMs: nowMs + leaseMs });
      else remember(id, result);
      return result;
    },

    renew(id, leaseMs) {
      const reservation = open.get(id);
      if (reservation) reservation.expiresAtMs = runtime.now() + leaseMs;
    },

    settle(id, used) {
      const reservation = open.get(id);
      if (reservation) resolve(id, reservation, used);
    },

    peek(scopes) {
      const nowMs = runtime.now();
      return scopes.map((scope) => {
        const id = scope.windowMs === undefined ? 0 : Math.floor(nowMs / scope.windowMs);
        const known = windows.get(scope.key);
        return stateOf(scope, known && known.id >= id ? known : { id, used: 0, held: 0 });
      });
    },
  };
}
