import type {
  Awaitable,
  Ledger,
  LedgerScope,
  ReadScope,
  ReserveResult,
  ScopeState,
} from '../../limits/ledger.ts';
import { quietly } from '../../quietly.ts';
import type { Runtime } from '../../runtime.ts';
import { backoffMs } from '../backoff.ts';
import { SettlementQueue } from '../settlement-queue.ts';
import { readTotals, renewLease, reserveHolds, settleHolds, sweepLedger } from './ledger-scripts.ts';
import { RedisStoreError } from './redis-error.ts';
import {
  toReadParameters,
  toRenewParameters,
  toReserveParameters,
  toReserveResult,
  toSettleParameters,
  toStates,
  toText,
} from './redis-ledger-arguments.ts';
import { type RebuiltBucket, restore, toRestoreParameters } from './redis-ledger-loss.ts';
import {
  type RedisLedgerOptions,
  type ResolvedLedgerOptions,
  resolveLedgerOptions,
} from './redis-ledger-options.ts';
import { LedgerServer } from './redis-ledger-server.ts';
import type { ScriptRunner } from './script.ts';

/** State of a ledger on Redis. */
export interface RedisLedgerState {
  /** Settlements that are on their way. */
  readonly pendingSettlements: number;
  /** Whether the last try to settle failed, so that `settle` resolves before they are made. */
  readonly areSettlementsLate: boolean;
  /** Settlements that were never made: their holds expire and are charged. */
  readonly givenUpSettlements: number;
  /** Settlements of ids that Redis did not know, or no longer knew. */
  readonly unknownSettlements: number;
  /** Whether Redis has lost what was counted, so that nothing is granted. */
  readonly isLost: boolean;
}

/** A ledger on Redis, and what can be done when Redis has lost it. */
export interface RedisLedger extends Ledger {
  reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): Promise<ReserveResult>;
  renew(id: string, leaseMs: number, charges?: readonly number[]): Promise<boolean>;
  /**
   * Resolves when it was made, or when Redis did not answer: it is then retried automatically, see `settleForMs`. It
   * need not be awaited.
   */
  settle(id: string, used: readonly number[]): Promise<void>;
  peek(scopes: readonly ReadScope[]): Promise<readonly ScopeState[]>;
  state(): RedisLedgerState;
  /**
   * Starts over after a loss, with what `used` says is already used; what Redis still has from before is dropped,
   * including holds. One call is enough for all nodes.
   *
   * @returns whether it did; `false` when nothing is lost, or another was faster
   */
  acknowledgeLoss(used?: readonly RebuiltBucket[]): Promise<boolean>;
  /** Makes the waiting settlements, within `closeDeadlineMs`, and ends the connection. */
  close(): Promise<void>;
}

/** What a ledger is made of. */
export interface RedisLedgerParts {
  readonly scripts: ScriptRunner;
  readonly runtime: Runtime;
  /** Names of its keys, as the layout has them. */
  readonly keys: readonly string[];
  /** Ends the connection. */
  disconnect(): void;
}

/**
 * A ledger over scripts; `createRedisStores` creates it.
 *
 * What a caller may assume: a reservation is one round trip and one script that checks all scopes before it writes, by
 * the server's clock. It ends within `deadlineMs`, and one that has rejected with `late` is not made later; one that
 * was made just before its answer was lost expires with its lease. Settlements are sent together in the background and
 * repeated by id until they succeed.
 *
 * What Redis can lose: a process that knows the ledger and finds it wholly or partly gone, started over by another, or
 * gone back by more than `maxRewindMs`, marks it as lost, as does any that finds holds that do not add up. Then no node
 * grants anything until `acknowledgeLoss` or `rebuild`: calls reject with `ledger_lost`. A loss while no process runs
 * (see `whenEmpty`) goes unnoticed; going back by less is only reported. So Redis should have `maxmemory-policy
 * noeviction` and an append-only file. If its clock is set back, the ledger's stands still until it has caught up.
 *
 * A user with only the rights the ledger needs, for the default names; one with those of `createRedisStores` also needs
 * `+exists +unlink +zscore +zrange +zrangebyscore`:
 *
 * ```text
 * ACL SETUSER headgate-ledger on >password resetkeys ~headgate:{default}:ledger:* resetchannels
 *   -@all +time +eval +evalsha +exists +unlink +hget +hmget +hset +hdel
 *   +zadd +zrem +zcard +zscore +zrange +zrangebyscore
 * ```
 *
 * @example
 * const { ledger } = createRedisStores({ url: process.env.REDIS_URL });
 * const gateway = createGateway(config, { ledger });
 * @throws TypeError for an invalid option
 */
export function createRedisLedger(parts: RedisLedgerParts, options: RedisLedgerOptions = {}): RedisLedger {
  return new ScriptedLedger(parts, resolveLedgerOptions(options));
}

/** The most settlements in one call. */
const settlementsOfCall = 64;

class ScriptedLedger implements RedisLedger {
  readonly #parts: RedisLedgerParts;
  readonly #options: ResolvedLedgerOptions;
  readonly #server: LedgerServer;
  readonly #settlements: SettlementQueue<readonly string[]>;
  #unknownSettlements = 0;
  #cancelSweep: (() => void) | undefined;
  #isClosed = false;
  #toldLossOf = '';
  #rebuilding: Promise<void> | undefined;
  #rebuildFailures = 0;
  #rebuildAtMs = 0;

  constructor(parts: RedisLedgerParts, options: ResolvedLedgerOptions) {
    this.#parts = parts;
    this.#options = options;
    const { runtime, scripts, keys } = parts;
    this.#server = new LedgerServer({
      ...options,
      runtime,
      scripts,
      keys,
      onRewind: (rewoundMs) => {
        this.#report(new Error(`Redis went back by ${rewoundMs} ms: reservations of that time may be lost.`));
      },
      onLost: (epoch) => this.#onLost(epoch),
    });
    const maxPending = options.maxPendingSettlements;
    this.#settlements = new SettlementQueue({
      ...{ runtime, maxBatch: settlementsOfCall, maxPending, giveUpMs: options.settleForMs },
      send: (batch) => this.#settleAll(batch),
      onProblem: (error, givenUp) => this.#report(error, givenUp),
      toFull: () => new RedisStoreError('overloaded', `${maxPending} settlements wait`),
      toClosed: (last) => new RedisStoreError('closed', '', last),
    });
  }

  nowMs(): number {
    return this.#server.clock.nowMs();
  }

  async reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): Promise<ReserveResult> {
    const parameters = toReserveParameters(id, scopes, leaseMs);
    this.#sweepFromNowOn();
    const reply = await this.#server.runFenced(reserveHolds, parameters, this.#options.deadlineMs);
    return toReserveResult(reply, scopes, this.nowMs());
  }

  async renew(id: string, leaseMs: number, charges?: readonly number[]): Promise<boolean> {
    const parameters = toRenewParameters(id, leaseMs, charges);
    const [, isHeld] = await this.#server.runFenced(renewLease, parameters, this.#options.deadlineMs);
    return Number(isHeld) === 1;
  }

  settle(id: string, used: readonly number[]): Promise<void> {
    return this.#settlements.add(toText(id), toSettleParameters(id, used));
  }

  async peek(scopes: readonly ReadScope[]): Promise<readonly ScopeState[]> {
    if (scopes.length === 0) return [];
    const parameters = toReadParameters(scopes);
    const [, ...figures] = await this.#server.run(readTotals, parameters, this.#options.deadlineMs);
    return toStates(figures, scopes);
  }

  state(): RedisLedgerState {
    return {
      pendingSettlements: this.#settlements.pending,
      areSettlementsLate: this.#settlements.areLate,
      givenUpSettlements: this.#settlements.givenUp,
      unknownSettlements: this.#unknownSettlements,
      isLost: this.#server.lostEpoch !== undefined,
    };
  }

  async acknowledgeLoss(used: readonly RebuiltBucket[] = []): Promise<boolean> {
    const parameters = toRestoreParameters(used);
    try {
      await this.#server.run(sweepLedger, [], this.#options.settleDeadlineMs);
      return false;
    } catch (error) {
      if (!(error instanceof RedisStoreError) || error.code !== 'ledger_lost') throw error;
    }
    return restore(this.#server, parameters, this.#options.settleDeadlineMs);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelSweep?.();
    await this.#settlements.close(this.#options.closeDeadlineMs);
    this.#parts.disconnect();
  }

  async #settleAll(batch: readonly (readonly string[])[]): Promise<void> {
    const parameters = [String(batch.length), ...batch.flat()];
    const [, ...results] = await this.#server.run(settleHolds, parameters, this.#options.settleDeadlineMs);
    for (const result of results) if (Number(result) < 0) this.#unknownSettlements++;
  }

  #sweepFromNowOn(): void {
    if (this.#cancelSweep || this.#isClosed) return;
    const { runtime } = this.#parts;
    const { sweepMs, settleDeadlineMs } = this.#options;
    const schedule = (delayMs: number): void => {
      this.#cancelSweep = runtime.schedule(delayMs, () => void sweep());
    };
    const sweep = async (): Promise<void> => {
      let mayBeMore = false;
      try {
        mayBeMore = Number((await this.#server.run(sweepLedger, [], settleDeadlineMs))[1]) === 1;
      } catch {
        // whoever reserves is told; the next sweep does what this one did not
      }
      if (!this.#isClosed) schedule(mayBeMore ? 1 : sweepMs * (0.9 + runtime.random() / 5));
    };
    schedule(sweepMs);
  }

  #onLost(epoch: string): void {
    if (this.#toldLossOf !== epoch) {
      this.#toldLossOf = epoch;
      this.#report(new RedisStoreError('ledger_lost'));
    }
    const { rebuild } = this.#options;
    if (!rebuild || this.#rebuilding || this.#isClosed) return;
    if (this.#parts.runtime.monotonicMs() < this.#rebuildAtMs) return;
    this.#rebuilding = this.#rebuild(rebuild).finally(() => {
      this.#rebuilding = undefined;
    });
  }

  async #rebuild(rebuild: (nowMs: number) => Awaitable<readonly RebuiltBucket[]>): Promise<void> {
    const { runtime } = this.#parts;
    try {
      const parameters = toRestoreParameters(await rebuild(this.nowMs()));
      await restore(this.#server, parameters, this.#options.settleDeadlineMs);
      this.#rebuildFailures = 0;
    } catch (error) {
      this.#rebuildFailures++;
      this.#rebuildAtMs = runtime.monotonicMs() + backoffMs(this.#rebuildFailures, runtime);
      this.#report(error as Error);
    }
  }

  #report(error: Error, givenUp = 0): void {
    quietly(this.#options.onError)(error, givenUp);
  }
}
