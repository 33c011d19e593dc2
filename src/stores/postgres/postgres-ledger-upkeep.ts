import type { Runtime } from '../../runtime.ts';
import type { ResolvedPostgresLedgerOptions } from './postgres-ledger-options.ts';
import type { PostgresLedgerServer } from './postgres-ledger-server.ts';

/** Statements of one kind in a row, before others have their turn. */
const maxRounds = 20;

/** Ends leases that have run out and drops what is old: every `sweepMs`, and the former at once when asked to. */
export class PostgresLedgerUpkeep {
  readonly #runtime: Runtime;
  readonly #server: PostgresLedgerServer;
  readonly #options: ResolvedPostgresLedgerOptions;
  readonly #onFailure: (error: Error) => void;
  #cancel: (() => void) | undefined;
  #sweeping: Promise<void> | undefined;
  #isClosed = false;
  #hasFailed = false;
  #hand = '';

  constructor(
    runtime: Runtime,
    server: PostgresLedgerServer,
    options: ResolvedPostgresLedgerOptions,
    onFailure: (error: Error) => void,
  ) {
    this.#runtime = runtime;
    this.#server = server;
    this.#options = options;
    this.#onFailure = onFailure;
  }

  /** Starts it, if not running. */
  start(): void {
    if (this.#cancel || this.#isClosed) return;
    this.#schedule();
  }

  /** Ends leases now. */
  sweep(): void {
    if (!this.#isClosed) this.#sweeping ??= this.#run(false);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    await this.#sweeping;
  }

  #schedule(): void {
    // jitter, so that nodes started together do not sweep together
    const delayMs = this.#options.sweepMs * (0.9 + this.#runtime.random() / 5);
    this.#cancel = this.#runtime.schedule(delayMs, () => void this.#tick());
  }

  async #tick(): Promise<void> {
    await this.#sweeping;
    if (this.#isClosed) return;
    this.#sweeping = this.#run(true);
    await this.#sweeping;
    if (!this.#isClosed) this.#schedule();
  }

  async #run(isWhole: boolean): Promise<void> {
    const { settleDeadlineMs } = this.#options;
    try {
      for (let round = 0; round < maxRounds && !this.#isClosed; round++) {
        if (!(await this.#server.expire(settleDeadlineMs))) break;
      }
      for (let round = 0; isWhole && round < maxRounds && !this.#isClosed; round++) {
        const { isMore, hand } = await this.#server.prune(settleDeadlineMs, this.#hand);
        this.#hand = hand;
        if (!isMore) break;
      }
      this.#hasFailed = false;
    } catch (error) {
      // the next run does what this one did not
      if (!this.#hasFailed) this.#onFailure(error as Error);
      this.#hasFailed = true;
    } finally {
      this.#sweeping = undefined;
    }
  }
}
