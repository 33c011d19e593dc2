import { withinDeadline } from '../failure/deadline.ts';
import { createOutbox, type Outbox } from '../failure/outbox.ts';
import type { LedgerScope, ReserveResult } from '../ledger.ts';
import { GivenBack } from './given-back.ts';
import type { LeasingSettings } from './options.ts';
import type { Pool } from './pool.ts';
import type { PoolTable } from './pool-table.ts';
import { type Slice, type SlicePart, takeOut, uncertainOf } from './slice.ts';

/** What is asked for in one reservation. */
export interface Wanted {
  readonly pool: Pool;
  readonly size: number;
}

/** Takes slices from the shared ledger, renews their leases, and gives them back. */
export class Lender {
  readonly outbox: Outbox;
  readonly slices = new Set<Slice>();
  readonly givenBack = new GivenBack();
  /** Called with a pool once the shared ledger has heard of a settlement. */
  onPosted: (pool: Pool) => void = () => undefined;
  asked = 0;
  failed = 0;
  lost = 0;
  /** Whether the last call failed: until one succeeds, only what somebody waits for is asked. */
  isFailing = false;
  readonly #settings: LeasingSettings;
  readonly #table: PoolTable;
  readonly #node: string;
  readonly #underWay = new Set<Promise<unknown>>();
  #due: Slice[] = [];
  #renewals = 0;

  constructor(settings: LeasingSettings, table: PoolTable) {
    this.#settings = settings;
    this.#table = table;
    this.#node = settings.runtime.newId();
    this.outbox = createOutbox({
      ledger: settings.shared,
      runtime: settings.runtime,
      deadlineMs: settings.deadlineMs,
      retryMs: settings.postMs,
      maxPending: settings.maxUnsettled,
      maxParallel: settings.maxParallel,
    });
  }

  /** Asks for slices of all pools at once, or of none, and puts them there. @throws what the shared ledger threw */
  ask(wanted: readonly Wanted[]): Promise<ReserveResult> {
    const asking = this.#ask(wanted).finally(() => this.#underWay.delete(asking));
    this.#underWay.add(asking);
    return asking;
  }

  async #ask(wanted: readonly Wanted[]): Promise<ReserveResult> {
    const { shared, runtime, leaseMs, leaseMarginMs, deadlineMs } = this.#settings;
    const id = `${this.#node}/${++this.asked}`;
    const scopes = wanted.map(
      ({ pool, size }): LedgerScope => ({
        key: pool.key,
        amount: pool.amount,
        hold: size,
        charge: pool.isCharging ? size : 0,
        mode: pool.isCounting ? 'count' : 'block',
        span: pool.span,
      }),
    );
    const sentAtMs = runtime.monotonicMs();
    for (const { pool } of wanted) pool.asks++;
    try {
      const answer = Promise.resolve(shared.reserve(id, scopes, leaseMs));
      const result = await withinDeadline(runtime, deadlineMs, answer, (late) => {
        if (late.kind === 'granted') this.outbox.send(id, []);
      });
      this.isFailing = false;
      if (result.kind === 'granted') {
        this.#adopt({
          id,
          parts: wanted.map(({ pool, size }, index) => {
            const { charge } = scopes[index] as LedgerScope;
            return { pool, size, charge, wanted: charge };
          }),
          takenAtMs: sentAtMs,
          renewedAtMs: sentAtMs,
          safeUntilMs: sentAtMs + leaseMs - leaseMarginMs,
          renewal: undefined,
          late: new Set(),
          isLost: false,
        });
      }
      if (result.kind !== 'stale') {
        wanted.forEach(({ pool }, index) => {
          const state = result.scopes[index];
          if (state) pool.note(state);
        });
      }
      return result;
    } catch (error) {
      this.isFailing = true;
      this.failed++;
      // whether it was granted is unknown: nothing of it was used
      this.outbox.send(id, []);
      throw error;
    } finally {
      for (const { pool } of wanted) pool.asks--;
    }
  }

  #adopt(slice: Slice): void {
    this.slices.add(slice);
    for (const { pool, size, charge } of slice.parts) {
      pool.slices.add(slice);
      pool.granted += size;
      pool.charged += charge;
      pool.safeUntilMs = Math.min(pool.safeUntilMs, slice.safeUntilMs);
    }
  }

  /** Settles a slice with what was used of it. */
  post(slice: Slice): void {
    this.slices.delete(slice);
    const nowMs = this.#settings.runtime.monotonicMs();
    for (const { pool } of slice.parts) pool.postedAtMs = nowMs;
    const onTried = this.givenBack.begin(slice);
    const uncertain = slice.parts.map(uncertainOf);
    const note = (sign: 1 | -1) =>
      slice.parts.forEach(({ pool }, index) => {
        pool.uncertain += sign * (uncertain[index] as number);
      });
    note(1);
    this.outbox.send(slice.id, takeOut(slice), {
      onTried,
      onOver: () => {
        note(-1);
        for (const { pool } of slice.parts) if (pool.slices.size > 0) this.onPosted(pool);
      },
    });
  }

  /** Renews the slices whose turn it is, or whose charges have changed. @param all whether to report every change now */
  renewDue(all = false): Promise<void> {
    const { runtime, leaseMs, postMs, tickMs } = this.#settings;
    const nowMs = runtime.monotonicMs();
    for (const pool of this.#table.all()) if (pool.slices.size > 0) pool.shareCharges();
    this.#due = [];
    for (const slice of this.slices) {
      if (slice.renewal || slice.isLost) continue;
      const ageMs = nowMs - slice.renewedAtMs;
      const hasChanged = slice.parts.some((part) => part.charge !== part.pool.nextCharge(part));
      const isDue = ageMs >= leaseMs / 3 - tickMs || (hasChanged && (all || ageMs >= postMs - tickMs));
      if (isDue) this.#due.push(slice);
    }
    return this.#renewNext();
  }

  async #renewNext(): Promise<void> {
    const running: Promise<void>[] = [];
    while (this.#renewals < (this.isFailing ? 1 : this.#settings.maxParallel)) {
      const slice = this.#due.pop();
      if (!slice) break;
      // it may have been settled while it waited for its turn
      if (this.slices.has(slice) && !slice.renewal)
        running.push(this.#renew(slice).then(() => this.#renewNext()));
    }
    await Promise.all(running);
  }

  /**
   * Has the shared ledger charge slices more, as far as their pools need it.
   *
   * @returns undefined if none is charged too little
   * @throws Error when it cannot be told
   */
  recharge(pools: readonly Pool[]): Promise<void> | undefined {
    const renewals: Promise<boolean>[] = [];
    for (const pool of pools) {
      pool.shareCharges();
      for (const slice of pool.slices) {
        const { isLost, late, parts } = slice;
        const isShort = parts.some(({ charge, wanted }) => charge < wanted);
        // nothing more is sure while a late renewal may arrive
        if (isShort && !isLost && late.size === 0) renewals.push(slice.renewal ?? this.#renew(slice));
      }
    }
    if (renewals.length === 0) return undefined;
    return Promise.all(renewals).then((all) => {
      if (all.includes(false)) throw new Error('The shared ledger could not be told what to charge.');
    });
  }

  #renew(slice: Slice): Promise<boolean> {
    const { runtime } = this.#settings;
    const sentAtMs = runtime.monotonicMs();
    const charges = slice.parts.map((part) => part.pool.nextCharge(part));
    // until it is answered, only the lesser of both is sure
    charge(slice, (part, index) => Math.min(part.charge, charges[index] as number));
    this.#renewals++;
    slice.renewal = this.#tell(slice, charges, sentAtMs).finally(() => {
      slice.renewal = undefined;
      this.#renewals--;
    });
    return slice.renewal;
  }

  async #tell(slice: Slice, charges: readonly number[], sentAtMs: number): Promise<boolean> {
    const { shared, runtime, leaseMs, leaseMarginMs, deadlineMs } = this.#settings;
    const { late } = slice;
    let answer: Promise<boolean> | undefined;
    try {
      answer = Promise.resolve(shared.renew(slice.id, leaseMs, charges));
      const isHeld = await withinDeadline(runtime, deadlineMs, answer);
      this.isFailing = false;
      if (isHeld) {
        slice.renewedAtMs = sentAtMs;
        slice.safeUntilMs = sentAtMs + leaseMs - leaseMarginMs;
        const sure = (index: number) => Math.min(...[charges, ...late].map((all) => all[index] as number));
        if (this.slices.has(slice)) charge(slice, (_, index) => sure(index));
      } else if (this.slices.has(slice)) this.#lose(slice);
      return true;
    } catch {
      if (answer) {
        const forget = () => void late.delete(charges);
        late.add(charges);
        answer.then(forget, forget);
      }
      this.isFailing = true;
      this.failed++;
      return false;
    }
  }

  #lose(slice: Slice): void {
    slice.isLost = true;
    this.lost++;
    for (const { pool, size, charge } of slice.parts) {
      pool.granted -= size;
      pool.lost += charge;
      // what is held there stays uncovered; new reservations need slices of their own
      this.#table.retire(pool);
    }
  }

  /** Waits for the requests under way. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#underWay]);
  }
}

function charge(slice: Slice, chargeOf: (part: SlicePart, index: number) => number): void {
  slice.parts.forEach((part, index) => {
    const charge = chargeOf(part, index);
    part.pool.charged += charge - part.charge;
    part.charge = charge;
  });
}
