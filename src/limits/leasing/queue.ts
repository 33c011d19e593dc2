import { LedgerTimeout, withinDeadline } from '../failure/deadline.ts';
import type { LedgerScope, ReserveResult, ScopeState } from '../ledger.ts';
import type { Book } from './book.ts';
import { isStale } from './check-scopes.ts';
import type { Return } from './given-back.ts';
import type { Lender } from './lender.ts';
import type { LeasingSettings } from './options.ts';
import type { Pool } from './pool.ts';
import type { PoolTable } from './pool-table.ts';
import type { Upkeep } from './upkeep.ts';
import type { Waiter } from './waiter.ts';

/** A slow ledger that must be asked repeatedly gets this many times its deadline for one request. */
const maxCalls = 4;
/** How often a request waits for the answers of others; then it asks itself, one such request at a time. */
const maxRounds = 32;
/** How often a request is considered before a denial is final, even if more room is under way to this node. */
const finalRounds = 64;

/** What a denial says of a pool. */
interface Denial {
  /** When the question was sent, in the order of arrivals and questions. */
  readonly sent: number;
  /** What was used and held of it. */
  readonly taken: number;
  /** What this node had given back when it asked: perhaps still part of what was taken. */
  readonly back: number;
}

/**
 * Decides what memory could not. Of the requests that lack room in one pool, a single one asks the shared ledger, for
 * exactly what it lacks; the answer decides all that were waiting when it asked. So a full limit costs one round trip
 * for many denials, and no request is denied that would have been admitted one by one.
 */
export class Queue {
  #order = 0;
  /** The request that asks although others do, having waited for too many. */
  #impatient: Waiter | undefined;
  readonly #settings: LeasingSettings;
  readonly #table: PoolTable;
  readonly #book: Book;
  readonly #lender: Lender;
  readonly #upkeep: Upkeep;
  readonly #all = new Set<Waiter>();

  constructor(settings: LeasingSettings, table: PoolTable, book: Book, lender: Lender, upkeep: Upkeep) {
    this.#settings = settings;
    this.#table = table;
    this.#book = book;
    this.#lender = lender;
    this.#upkeep = upkeep;
    upkeep.onRoom = (pool) => this.wake(pool);
    upkeep.onFailure = rejectWaiting;
  }

  /** @throws Error when too many wait, or the shared ledger fails */
  decide(id: string, scopes: readonly LedgerScope[], leaseMs: number): Promise<ReserveResult> {
    return new Promise((resolve, reject) => {
      const { maxWaiting, runtime, deadlineMs } = this.#settings;
      if (this.#all.size >= maxWaiting) {
        reject(new Error(`${maxWaiting} requests wait for the shared ledger already.`));
        return;
      }
      const waiter: Waiter = {
        id,
        scopes,
        leaseMs,
        arrived: ++this.#order,
        untilMs: runtime.monotonicMs() + maxCalls * deadlineMs,
        rounds: 0,
        resolve: (result) => {
          this.#all.delete(waiter);
          resolve(result);
        },
        reject: (error) => {
          this.#all.delete(waiter);
          reject(error);
        },
      };
      this.#all.add(waiter);
      this.#look(waiter);
    });
  }

  get size(): number {
    return this.#all.size;
  }

  /** Reconsiders those that wait for a pool. */
  wake(pool: Pool): void {
    for (const waiter of takeWaiting(pool)) this.#look(waiter);
    // one slice serves all that still wait, if there is one to be had
    if (pool.waiting.length > 0) this.#upkeep.refill(pool);
  }

  /** Refuses everything that waits. */
  close(error: Error): void {
    for (const pool of this.#table.all()) takeWaiting(pool);
    for (const waiter of [...this.#all]) waiter.reject(error);
  }

  #look(waiter: Waiter): void {
    if (!this.#all.has(waiter)) return;
    const { shared, runtime } = this.#settings;
    const { id, scopes, leaseMs } = waiter;
    try {
      const nowMs = shared.nowMs();
      if (isStale(scopes, nowMs)) {
        waiter.resolve({ kind: 'stale', nowMs });
        return;
      }
      const monotonicMs = runtime.monotonicMs();
      if (monotonicMs >= waiter.untilMs) throw new LedgerTimeout(maxCalls * this.#settings.deadlineMs);
      const pools = scopes.map((scope) => this.#table.of(scope, monotonicMs));
      const lacking = scopes.flatMap((scope, index) => (pools[index]?.covers(scope) ? [] : [index]));
      if (lacking.length === 0) {
        waiter.resolve(this.#book.grant(id, scopes, pools, leaseMs, nowMs));
        this.#upkeep.drew(pools);
        return;
      }
      const busy = lacking.find((index) => (pools[index] as Pool).asks > 0);
      const mayAsk = waiter.rounds >= maxRounds && this.#impatient === undefined;
      waiter.rounds++;
      if (busy !== undefined && mayAsk) this.#impatient = waiter;
      else if (busy !== undefined) {
        const pool = pools[busy] as Pool;
        pool.waiting.push(waiter);
        pool.awaited += (scopes[busy] as LedgerScope).hold;
        return;
      }
      void this.#lead(waiter, pools, lacking);
    } catch (error) {
      waiter.reject(error);
    }
  }

  async #lead(waiter: Waiter, pools: readonly Pool[], lacking: readonly number[]): Promise<void> {
    const { id, scopes, leaseMs } = waiter;
    const poolAt = (index: number) => pools[index] as Pool;
    const roomless = lacking.filter((index) => !poolAt(index).hasRoom((scopes[index] as LedgerScope).hold));
    // where there is room that is only charged too little, no more needs to be asked for
    const recharging = roomless.length === 0 ? this.#lender.recharge(lacking.map(poolAt)) : undefined;
    const asked = recharging ? [] : (roomless.length > 0 ? roomless : lacking).map(poolAt);
    // others that find nothing left because of this claim wait until it is decided
    const claim = (sign: 1 | -1) => {
      pools.forEach((pool, index) => {
        if (pool.isCounting) return;
        const { hold, charge } = scopes[index] as LedgerScope;
        pool.claimed += sign * hold;
        pool.claimedCharge += sign * Math.min(hold, charge);
        pool.asks += sign;
      });
    };
    claim(1);
    const sent = ++this.#order;
    const wanted = asked.map((pool) => ({
      pool,
      size: Math.max(0, -pool.free, roomless.length > 0 ? 0 : -pool.chargeLeft),
    }));
    const returns = asked.map(({ key }) => this.#lender.givenBack.of(key));
    const asking = recharging ?? this.#lender.ask(wanted);
    for (const pool of asked) this.#upkeep.refill(pool);
    let result: ReserveResult | undefined;
    try {
      result = (await asking) as ReserveResult | undefined;
      if (result?.kind === 'denied') {
        const { deniedAt, scopes } = result;
        await this.#arrived(waiter, returns[deniedAt], wanted[deniedAt]?.size, scopes[deniedAt]);
      }
    } catch (error) {
      claim(-1);
      if (this.#impatient === waiter) this.#impatient = undefined;
      waiter.reject(error);
      for (const pool of asked) rejectWaiting(pool, error);
      for (const pool of pools) this.wake(pool);
      return;
    }
    claim(-1);
    if (this.#impatient === waiter) this.#impatient = undefined;
    const left = new Set<Pool>();
    if (result === undefined || (result.kind === 'granted' && !isCovered(scopes, pools))) {
      // there is room, or was; what may be charged for it must be checked again
      this.#look(waiter);
    } else if (result.kind === 'granted') {
      waiter.resolve(this.#book.grant(id, scopes, pools, leaseMs, this.#settings.shared.nowMs()));
      this.#upkeep.drew(pools);
    } else if (result.kind === 'stale') waiter.resolve(result);
    else {
      const pool = asked[result.deniedAt] as Pool;
      const state = result.scopes[result.deniedAt];
      pool.waiting.unshift(waiter);
      const back = roomOf(returns[result.deniedAt]);
      if (state) this.#denyAll(pool, waiter, { sent, taken: state.used + state.held, back }, left);
    }
    for (const pool of pools) this.wake(pool);
    // only now: those that still wait take what is free here first
    this.#upkeep.denied(left);
  }

  /**
   * A question may overtake what this node gave back before it, and be denied for lack of that. If `size` would have
   * fitted with it, waits until it has arrived: then it is worth asking again.
   */
  async #arrived(waiter: Waiter, back: readonly Return[] = [], size = 0, state?: ScopeState): Promise<void> {
    if (back.length === 0 || !state) return;
    const { used, held, amount } = state;
    const { runtime, deadlineMs } = this.#settings;
    const spareMs = Math.min(deadlineMs, this.#spareMs(waiter));
    if (spareMs <= 0 || size > amount - used - held + roomOf(back)) return;
    const arriving = Promise.all(back.map(({ over }) => over));
    await withinDeadline(runtime, spareMs, arriving).catch(() => undefined);
  }

  /** How long it may wait before it asks again. Below 0, its time would be over before the answer. */
  #spareMs({ untilMs }: Waiter): number {
    const { runtime, deadlineMs } = this.#settings;
    return untilMs - deadlineMs - runtime.monotonicMs();
  }

  /**
   * Denies those that waited before the question was sent and needed more than the shared ledger had then.
   *
   * @param left collects the pools that they leave
   */
  #denyAll(pool: Pool, leader: Waiter, { sent, taken, back }: Denial, left: Set<Pool>): void {
    // room under way to this node may still suffice
    const isOpen = pool.asks > 0 || (pool.before?.asks ?? 0) > 0;
    for (const waiter of takeWaiting(pool)) {
      const { id, scopes, arrived } = waiter;
      const index = scopes.findIndex(({ key }) => key === pool.key);
      const { hold, amount } = scopes[index] as LedgerScope;
      const room = amount - taken + (this.#spareMs(waiter) >= 0 ? back : 0);
      const lacks = hold - pool.free > room;
      const isFinal = waiter === leader && waiter.rounds >= finalRounds;
      if (isFinal || (arrived < sent && lacks && !isOpen)) {
        const monotonicMs = this.#settings.runtime.monotonicMs();
        const pools = scopes.map((scope) => this.#table.of(scope, monotonicMs));
        waiter.resolve(this.#book.deny(id, pools, index));
        for (const pool of pools) left.add(pool);
      } else {
        pool.waiting.push(waiter);
        pool.awaited += hold;
      }
    }
  }
}

function isCovered(scopes: readonly LedgerScope[], pools: readonly Pool[]): boolean {
  return scopes.every(({ hold, charge }, index) => pools[index]?.hasCharge(hold, charge));
}

function roomOf(returns: readonly Return[] = []): number {
  return returns.reduce((sum, { room }) => sum + room, 0);
}

function rejectWaiting(pool: Pool, error: unknown): void {
  for (const waiter of takeWaiting(pool)) waiter.reject(error);
}

function takeWaiting(pool: Pool): readonly Waiter[] {
  const { waiting } = pool;
  if (waiting.length === 0) return waiting;
  pool.waiting = [];
  pool.awaited = 0;
  return waiting;
}
