import type { LedgerScope } from '../ledger.ts';
import type { LeasingSettings } from './options.ts';
import { Pool } from './pool.ts';

/** This node's pools: the current one of each scope, and those that only wait for their reservations to end. */
export class PoolTable {
  readonly #settings: LeasingSettings;
  readonly #current = new Map<string, Pool>();
  readonly #counting = new Map<string, Pool>();
  readonly #retired = new Set<Pool>();
  /** Called with a pool that takes no more reservations. */
  onRetire: (pool: Pool) => void = () => undefined;

  constructor(settings: LeasingSettings) {
    this.#settings = settings;
  }

  /**
   * The pool that a scope draws from.
   *
   * @throws Error when there are too many
   */
  of(scope: LedgerScope, monotonicMs: number): Pool {
    const known = this.#poolsOf(scope.mode === 'count').get(scope.key);
    if (
      known !== undefined &&
      known.span.bucket === scope.span.bucket &&
      // else the shared ledger would not know that the end of the window was moved
      known.span.forgetMs === scope.span.forgetMs &&
      known.amount === scope.amount &&
      (scope.charge === 0 || known.isCharging) &&
      !known.isRetired &&
      !known.isInDoubt(monotonicMs)
    ) {
      return known;
    }
    return this.#replace(scope, known, monotonicMs);
  }

  /** The pool that counts a scope now, if there is one. */
  counting(key: string): Pool | undefined {
    return this.#counting.get(key);
  }

  /** All of them, the retired ones included. */
  *all(): Generator<Pool> {
    yield* this.#current.values();
    yield* this.#counting.values();
    yield* this.#retired;
  }

  get size(): number {
    return this.#current.size + this.#counting.size + this.#retired.size;
  }

  /** Ends taking reservations. */
  retire(pool: Pool): void {
    if (pool.isRetired) return;
    pool.isRetired = true;
    pool.keep = 0;
    pool.low = -1;
    this.#retired.add(pool);
    this.onRetire(pool);
  }

  /** Drops an empty pool. */
  drop(pool: Pool): void {
    const pools = this.#poolsOf(pool.isCounting);
    if (pools.get(pool.key) === pool) pools.delete(pool.key);
    this.#retired.delete(pool);
  }

  #replace(scope: LedgerScope, known: Pool | undefined, monotonicMs: number): Pool {
    if (!known && this.size >= this.#settings.maxScopes) {
      throw new Error(`This node has slices of ${this.size} scopes already; maxScopes allows no more.`);
    }
    if (known) this.retire(known);
    const pool = new Pool(scope, monotonicMs, known);
    this.#poolsOf(pool.isCounting).set(scope.key, pool);
    return pool;
  }

  #poolsOf(isCounting: boolean): Map<string, Pool> {
    return isCounting ? this.#counting : this.#current;
  }
}
