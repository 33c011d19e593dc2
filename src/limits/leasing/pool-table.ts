import type { LedgerScope } from '../ledger.ts';
import type { LeasingSettings } from './options.ts';
import { Pool } from './pool.ts';

/** The pools of this node: the current one of each scope, and those that only wait for their reservations to end. */
export class PoolTable {
  readonly #settings: LeasingSettings;
  readonly #current = new Map<string, Pool>();
  readonly #retired = new Set<Pool>();

  constructor(settings: LeasingSettings) {
    this.#settings = settings;
  }

  /**
   * The pool that a scope draws from.
   *
   * @throws Error when there are too many
   */
  of(scope: LedgerScope, monotonicMs: number): Pool {
    const known = this.#current.get(scope.key);
    if (
      known !== undefined &&
      known.span.bucket === scope.span.bucket &&
      known.amount === scope.amount &&
      known.isCounting === (scope.mode === 'count') &&
      !known.isRetired &&
      !known.isInDoubt(monotonicMs)
    ) {
      return known;
    }
    return this.#replace(scope, known, monotonicMs);
  }

  current(key: string): Pool | undefined {
    return this.#current.get(key);
  }

  /** All of them, the retired ones included. */
  *all(): Generator<Pool> {
    yield* this.#current.values();
    yield* this.#retired;
  }

  get size(): number {
    return this.#current.size + this.#retired.size;
  }

  /** Ends the taking of reservations. */
  retire(pool: Pool): void {
    if (pool.isRetired) return;
    pool.isRetired = true;
    pool.keep = 0;
    pool.low = -1;
    this.#retired.add(pool);
  }

  /** Drops a pool that nothing is left in. */
  drop(pool: Pool): void {
    if (this.#current.get(pool.key) === pool) this.#current.delete(pool.key);
    this.#retired.delete(pool);
  }

  #replace(scope: LedgerScope, known: Pool | undefined, monotonicMs: number): Pool {
    if (!known && this.size >= this.#settings.maxScopes) {
      throw new Error(`This node has slices of ${this.size} scopes already; maxScopes allows no more.`);
    }
    if (known) this.retire(known);
    const pool = new Pool(scope, monotonicMs, known);
    this.#current.set(scope.key, pool);
    return pool;
  }
}
