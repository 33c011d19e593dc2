import { withinDeadline } from '../failure/deadline.ts';
import type { Awaitable, Ledger, LedgerScope, ReadScope, ReserveResult, ScopeState } from '../ledger.ts';
import { Book } from './book.ts';
import { checkScopes, isStale } from './check-scopes.ts';
import { Lender } from './lender.ts';
import { type LeasingLedgerOptions, type LeasingSettings, toSettings } from './options.ts';
import type { Pool } from './pool.ts';
import { PoolTable } from './pool-table.ts';
import { Queue } from './queue.ts';
import type { LeasingReport } from './report.ts';
import { Upkeep } from './upkeep.ts';

export type { LeasingLedgerOptions } from './options.ts';
export type { LeasedScope, LeasingReport } from './report.ts';

/** A ledger that decides in memory. */
export interface LeasingLedger extends Ledger {
  /**
   * Like `reserve`, without ever asking the shared ledger: for when it is known to be down.
   *
   * @returns undefined if memory cannot decide; then nothing is held
   */
  reserveInMemory(id: string, scopes: readonly LedgerScope[], leaseMs: number): ReserveResult | undefined;
  /** What it did, and what it has. @param maxScopes how many scopes it lists. @default 100 */
  report(maxScopes?: number): LeasingReport;
}

/**
 * A ledger over a shared one that keeps the network out of the request path: each node takes slices of every limit ahead
 * of need and decides in memory while they last. A decision in memory is returned directly, without a promise.
 * Never grants more than the limit; if a node dies, nothing used is lost, and its unused room is charged until its
 * leases end. While the shared ledger is down, decisions go on as long as slices last, then `reserve` rejects.
 *
 * @throws TypeError for an option out of its range, naming it
 */
export function createLeasingLedger(options: LeasingLedgerOptions): LeasingLedger {
  return new MemoryFirstLedger(toSettings(options));
}

/**
 * - **Never above the limit.** A slice is a reservation in the shared ledger; what is held and used here fits in the
 *   slices, no slice is used whose lease could have expired, and what is granted is charged in case it does. As with
 *   any ledger, a settlement may find that more was used than held, or than charged when the lease has run out.
 * - **Little left unused.** Scopes with few requests or a small amount have no slices: each request asks for exactly what
 *   it holds. Of the others a node takes no more ahead of need than `maxShare` of the amount, `maxShareOfRest` of what is
 *   left of it, and what it uses in `aheadMs`. No slice is larger than `maxShare` of the amount or one request, so that
 *   what settlements free beyond twice that, or beyond `maxShare` of the amount, is given back however full the limit is,
 *   within half of `postMs` at the latest; an idle scope gives back everything after `idleMs`. In an ended bucket of a
 *   rolling window, what surrounds reservations still open is given back when they end.
 * - **A node that dies** is charged what it could have used: its slices expire within `leaseMs` and count as used, so
 *   nothing used is lost, and at most its unused room (see `report()`) is charged too much. Reservations that were still
 *   open are charged their `charge`, as last reported: at most `postMs` old. Scopes without charges (slots) are released.
 *   Counted scopes lose at most what was used in the last `postMs`.
 * - **Counted scopes** (`mode: 'count'`) are posted after the fact. What the shared ledger did not hear of before its
 *   bucket ended counts in the next one.
 * - **Shared ledger down:** decisions go on while slices last and their leases are safe, then `reserve` rejects.
 *   What was used is kept, and posted when it is back.
 * - `settle` never waits. A reservation that expired here can be corrected for `correctMs`.
 */
class MemoryFirstLedger implements LeasingLedger {
  readonly #settings: LeasingSettings;
  readonly #shared: Ledger;
  readonly #table: PoolTable;
  readonly #book: Book;
  readonly #lender: Lender;
  readonly #upkeep: Upkeep;
  readonly #queue: Queue;
  readonly #pending = new Map<string, Promise<ReserveResult>>();
  #memoryDecisions = 0;
  #sharedDecisions = 0;
  #cancelTick: (() => void) | undefined;
  #isClosed = false;

  constructor(settings: LeasingSettings) {
    this.#settings = settings;
    this.#shared = settings.shared;
    this.#table = new PoolTable(settings);
    this.#book = new Book(settings);
    this.#lender = new Lender(settings, this.#table);
    this.#upkeep = new Upkeep(settings, this.#table, this.#lender);
    this.#queue = new Queue(settings, this.#table, this.#book, this.#lender, this.#upkeep);
  }

  nowMs(): number {
    return this.#shared.nowMs();
  }

  reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): Awaitable<ReserveResult> {
    const pending = this.#pending.size > 0 ? this.#pending.get(id) : undefined;
    if (pending) return pending;
    return this.reserveInMemory(id, scopes, leaseMs) ?? this.#ask(id, scopes, leaseMs);
  }

  reserveInMemory(id: string, scopes: readonly LedgerScope[], leaseMs: number): ReserveResult | undefined {
    const known = this.#book.find(id);
    if (known) return known;
    checkScopes(scopes, leaseMs);
    if (this.#isClosed || (this.#pending.size > 0 && this.#pending.has(id))) return undefined;
    const nowMs = this.#shared.nowMs();
    if (isStale(scopes, nowMs)) return { kind: 'stale', nowMs };
    const monotonicMs = this.#settings.runtime.monotonicMs();
    const pools: Pool[] = [];
    let isCovered = true;
    for (let index = 0; index < scopes.length; index++) {
      const scope = scopes[index] as LedgerScope;
      const pool = this.#table.of(scope, monotonicMs);
      pools.push(pool);
      if (!pool.covers(scope)) isCovered = false;
    }
    if (!this.#cancelTick) this.#tickLater();
    if (!isCovered) return undefined;
    this.#memoryDecisions++;
    const result = this.#book.grant(id, scopes, pools, leaseMs, nowMs);
    this.#upkeep.drew(pools);
    return result;
  }

  #ask(id: string, scopes: readonly LedgerScope[], leaseMs: number): Promise<ReserveResult> {
    if (this.#isClosed) return Promise.reject(new Error('The leasing ledger is closed.'));
    this.#sharedDecisions++;
    const deciding = this.#queue.decide(id, scopes, leaseMs);
    this.#pending.set(id, deciding);
    const forget = () => {
      this.#pending.delete(id);
    };
    deciding.then(forget, forget);
    return deciding;
  }

  renew(id: string, leaseMs: number, charges?: readonly number[]): boolean {
    this.#sweep();
    return this.#book.renew(id, leaseMs, this.#shared.nowMs(), charges);
  }

  settle(id: string, used: readonly number[]): void {
    const pools = this.#book.settle(id, used);
    if (pools) this.#upkeep.settled(pools);
  }

  async peek(scopes: readonly ReadScope[]): Promise<readonly ScopeState[]> {
    this.#sweep();
    const { runtime, deadlineMs } = this.#settings;
    const states = await withinDeadline(runtime, deadlineMs, Promise.resolve(this.#shared.peek(scopes)));
    const byKey = new Map<string, Pool[]>();
    for (const scope of scopes) byKey.set(scope.key, []);
    for (const pool of this.#table.all()) byKey.get(pool.key)?.push(pool);
    return scopes.map(({ key, amount, span }, index) => {
      let { used, held } = states[index] as ScopeState;
      for (const pool of byKey.get(key) ?? []) {
        if (!span.buckets.includes(pool.span.bucket)) continue;
        used += pool.used + pool.expired;
        held += pool.held - pool.expired - pool.granted;
      }
      return { key, used, held: Math.max(0, held), amount };
    });
  }

  report(maxScopes = 100): LeasingReport {
    const { maxShare } = this.#settings;
    const { asked, failed, lost, isFailing, outbox, slices } = this.#lender;
    const unusedOf = ({ free, underWay }: Pool) => Math.max(0, free) + underWay;
    const pools = [...this.#table.all()].filter(({ slices, underWay }) => slices.size > 0 || underWay > 0);
    pools.sort((one, other) => unusedOf(other) - unusedOf(one));
    return {
      memoryDecisions: this.#memoryDecisions,
      sharedDecisions: this.#sharedDecisions,
      asked,
      failed,
      lost,
      isFailing,
      waiting: this.#queue.size,
      open: this.#book.open,
      slices: slices.size,
      unsettled: outbox.pending,
      dropped: outbox.dropped,
      uncounted: this.#upkeep.uncounted,
      scopes: pools.slice(0, maxScopes).map((pool) => ({
        key: pool.key,
        bucket: pool.span.bucket,
        amount: pool.amount,
        granted: pool.granted,
        used: pool.used,
        held: pool.held,
        unused: unusedOf(pool),
        bound: Math.floor(pool.amount * maxShare),
      })),
    };
  }

  /** Gives back what is not used. Reservations still open keep what they hold until the lease runs out. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelTick?.();
    this.#queue.close(new Error('The leasing ledger is closing.'));
    await this.#upkeep.stop();
    await this.#lender.settled();
    // retires all before giving back: else what was announced with one still open could take its place away
    this.#table.onRetire = () => undefined;
    for (const pool of [...this.#table.all()]) this.#table.retire(pool);
    for (const pool of [...this.#table.all()]) this.#upkeep.giveBack(pool, Number.POSITIVE_INFINITY);
    const { runtime, deadlineMs } = this.#settings;
    await withinDeadline(runtime, 4 * deadlineMs, this.#lender.renewDue(true)).catch(() => undefined);
    await this.#lender.outbox.flush(4 * deadlineMs);
    this.#lender.outbox.stop();
  }

  #sweep(): void {
    const touched = this.#book.sweep(this.#shared.nowMs());
    if (touched.length > 0) this.#upkeep.settled(touched);
  }

  #tickLater(): void {
    this.#cancelTick = this.#settings.runtime.schedule(this.#settings.tickMs, () => {
      this.#sweep();
      this.#upkeep.tick();
      const isIdle = this.#table.size === 0 && this.#lender.slices.size === 0;
      this.#cancelTick = undefined;
      if (!isIdle && !this.#isClosed) this.#tickLater();
    });
  }
}
