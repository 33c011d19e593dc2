import type { LedgerScope, ReserveResult, ScopeState } from '../ledger.ts';
import { requireCounts } from '../require-count.ts';
import type { LeasingSettings } from './options.ts';
import type { Pool } from './pool.ts';

interface Reservation {
  readonly scopes: readonly LedgerScope[];
  readonly pools: readonly Pool[];
  readonly result: ReserveResult;
  charges: readonly number[] | undefined;
  /** When its lease runs out; after that, until when it can be corrected. */
  untilMs: number;
}

/** The reservations of this node, each by its id and at most once. */
export class Book {
  readonly #settings: LeasingSettings;
  readonly #open = new Map<string, Reservation>();
  readonly #expired = new Map<string, Reservation>();
  /** Two generations: when the newer is full the older is forgotten, at no cost per entry. */
  #ended = new Map<string, ReserveResult>();
  #endedBefore = this.#ended;
  #sweptAtMs = 0;

  constructor(settings: LeasingSettings) {
    this.#settings = settings;
  }

  get open(): number {
    return this.#open.size;
  }

  /** The first answer to an id. */
  find(id: string): ReserveResult | undefined {
    return (
      this.#open.get(id)?.result ??
      this.#ended.get(id) ??
      this.#endedBefore.get(id) ??
      this.#expired.get(id)?.result
    );
  }

  grant(
    id: string,
    scopes: readonly LedgerScope[],
    pools: readonly Pool[],
    leaseMs: number,
    nowMs: number,
  ): ReserveResult {
    const states: ScopeState[] = [];
    for (let index = 0; index < scopes.length; index++) {
      const { hold, charge } = scopes[index] as LedgerScope;
      const pool = pools[index] as Pool;
      pool.draw(hold, charge);
      states.push(pool.view());
    }
    const result: ReserveResult = { kind: 'granted', scopes: states };
    this.#open.set(id, { scopes, pools, result, charges: undefined, untilMs: nowMs + leaseMs });
    return result;
  }

  deny(id: string, pools: readonly Pool[], deniedAt: number): ReserveResult {
    const result: ReserveResult = { kind: 'denied', deniedAt, scopes: pools.map((pool) => pool.view()) };
    this.#remember(id, result);
    return result;
  }

  renew(id: string, leaseMs: number, nowMs: number, charges: readonly number[] | undefined): boolean {
    const reservation = this.#open.get(id);
    if (!reservation) return false;
    if (charges) requireCounts(charges, 'A charge');
    reservation.untilMs = nowMs + leaseMs;
    if (!charges) return true;
    const { scopes, pools } = reservation;
    const replaced = scopes.map((_, index) => charges[index] ?? chargeOf(reservation, index));
    for (let index = 0; index < scopes.length; index++) {
      (pools[index] as Pool).heldCharge += (replaced[index] as number) - chargeOf(reservation, index);
    }
    reservation.charges = replaced;
    return true;
  }

  /**
   * @returns the pools that it was settled in; undefined when there is nothing to settle
   * @throws TypeError for a use that cannot be counted; then nothing is settled
   */
  settle(id: string, used: readonly number[]): readonly Pool[] | undefined {
    requireCounts(used, 'What was used');
    const open = this.#open.get(id);
    if (open) {
      this.#open.delete(id);
      this.#remember(id, open.result);
      const { scopes, pools } = open;
      for (let index = 0; index < scopes.length; index++) {
        const pool = pools[index] as Pool;
        const { hold } = scopes[index] as LedgerScope;
        if ((used[index] ?? 0) > hold) pool.isOverrun = true;
        pool.held -= hold;
        pool.heldCharge -= chargeOf(open, index);
        pool.open--;
        pool.use(used[index] ?? 0);
      }
      return pools;
    }
    const expired = this.#expired.get(id);
    if (!expired) return undefined;
    this.#correct(id, expired, used);
    return expired.pools;
  }

  /** Ends reservations whose lease has run out. @returns the pools that something was settled in */
  sweep(nowMs: number): readonly Pool[] {
    if (nowMs - this.#sweptAtMs < sweepMs) return [];
    this.#sweptAtMs = nowMs;
    const touched: Pool[] = [];
    for (const [id, reservation] of this.#open) {
      if (reservation.untilMs <= nowMs) this.#expire(id, reservation, nowMs);
    }
    for (const [id, expired] of this.#expired) {
      const tooMany = this.#expired.size > this.#settings.maxExpired;
      if (expired.untilMs > nowMs && !tooMany) break;
      this.#correct(id, expired, expired.charges ?? expired.scopes.map(({ charge }) => charge));
      touched.push(...expired.pools);
    }
    return touched;
  }

  /** Its charge stays held here, since what was posted to the shared ledger cannot be taken back by a correction. */
  #expire(id: string, reservation: Reservation, nowMs: number): void {
    const { scopes, pools } = reservation;
    this.#open.delete(id);
    for (let index = 0; index < scopes.length; index++) {
      const pool = pools[index] as Pool;
      const charge = chargeOf(reservation, index);
      pool.held += charge - (scopes[index] as LedgerScope).hold;
      pool.expired += charge;
    }
    reservation.untilMs = nowMs + this.#settings.correctMs;
    this.#expired.set(id, reservation);
  }

  #correct(id: string, expired: Reservation, used: readonly number[]): void {
    this.#expired.delete(id);
    this.#remember(id, expired.result);
    for (let index = 0; index < expired.pools.length; index++) {
      const pool = expired.pools[index] as Pool;
      const charge = chargeOf(expired, index);
      pool.held -= charge;
      pool.expired -= charge;
      pool.heldCharge -= charge;
      pool.open--;
      pool.use(used[index] ?? 0);
    }
  }

  #remember(id: string, result: ReserveResult): void {
    if (this.#ended.size >= this.#settings.maxEnded) {
      this.#endedBefore = this.#ended;
      this.#ended = new Map();
    }
    this.#ended.set(id, result);
  }
}

const sweepMs = 250;

function chargeOf({ charges, scopes }: Reservation, index: number): number {
  return charges ? (charges[index] as number) : (scopes[index] as LedgerScope).charge;
}
