import type { GatewayErrorCode } from '../errors.ts';
import type { Linked } from '../linked-queue.ts';
import type { Outcome, Usage } from '../message.ts';
import type { RecordDraft } from '../telemetry/record.ts';
import { type Applied, type LimitScope, usedOf } from './apply.ts';
import type { Awaitable, Ledger } from './ledger.ts';
import type { Limit } from './limit.ts';
import type { Price } from './price.ts';
import { withAttempts } from './sum-usage.ts';
import type { Untold } from './untold.ts';

/** Says what a running reply has used so far. */
export interface UsageSource {
  usage(): Usage | undefined;
}

/** What an account is opened with. */
export interface AccountFacts {
  /** Id of the reservation. */
  readonly id: string;
  readonly applied: Applied;
  readonly price: Price | undefined;
  /** Estimate of the input. */
  readonly inputTokens: number;
  readonly untold: Untold;
  readonly record: RecordDraft;
}

/**
 * What is kept of a request that holds something until it is settled: as little as possible, since a stream may run
 * long. It reports what has accrued to its lease, and settles with what was used.
 */
export class Account implements Linked<Account> {
  readonly id: string;
  readonly limits: readonly Limit[];
  readonly scopes: readonly LimitScope[];
  readonly #price: Price | undefined;
  readonly #inputTokens: number;
  readonly #untold: Untold;
  readonly #record: RecordDraft;
  #source: UsageSource | undefined;
  #mayHaveCost = false;
  /** When its lease was last renewed, by the monotonic clock. */
  renewedAtMs = 0;
  /** Whether what it held is settled. */
  isClosed = false;
  before: Account | undefined = undefined;
  behind: Account | undefined = undefined;

  constructor(facts: AccountFacts) {
    const { id, applied, price, inputTokens, untold, record } = facts;
    this.id = id;
    this.limits = applied.limits;
    this.scopes = applied.scopes;
    this.#price = price;
    this.#inputTokens = inputTokens;
    this.#untold = untold;
    this.#record = record;
  }

  /** Follows the reply that is on its way to the caller. */
  watch(source: UsageSource): void {
    this.#source = source;
  }

  /** Counts the input in any case: a provider got the request, and what happened to it there is unknown. */
  countInput(): void {
    this.#mayHaveCost = true;
  }

  /** What to count if nothing more is heard: what was seen, and at least the input. */
  accrued(): number[] {
    const usage = withAttempts(this.#toEnd(this.#source?.usage()), this.#record.attempts);
    return this.scopes.map(({ charge }, index) =>
      usage ? Math.max(charge, usedOf(this.limits[index] as Limit, usage, this.#price)) : charge,
    );
  }

  /**
   * Settles with what an outcome reports, at most once.
   *
   * @returns what was counted for each limit; undefined when it was settled before
   */
  settle(ledger: Ledger, outcome: Settled, onError: (cause: unknown) => void): number[] | undefined {
    if (this.isClosed) return undefined;
    this.isClosed = true;
    this.#source = undefined;
    const usage = withAttempts(this.#usageOf(outcome), this.#record.attempts);
    // the record shows what is counted
    if (usage) this.#record.usage ??= usage;
    const isUnsent = outcome.kind === 'unsent';
    const used = this.limits.map((limit) => (isUnsent ? 0 : usedOf(limit, usage, this.#price)));
    post(ledger, this.id, used, onError);
    return used;
  }

  /** A request that was sent and brought no usage back counts its input, so that hiding usage makes nothing free. */
  #usageOf(outcome: Settled): Usage | undefined {
    const { usage, kind, replyBytes } = outcome;
    if (usage) return kind === 'aborted' ? this.#toEnd(usage) : this.#complete(usage, replyBytes);
    const isNothing = kind === 'refused' || kind === 'undelivered' || kind === 'left';
    if ((isNothing && !this.#mayHaveCost) || kind === 'unsent') return undefined;
    const outputTokens = kind === 'complete' ? this.#untoldOutput(replyBytes) : 0;
    const estimated: Usage = { inputTokens: this.#inputTokens, outputTokens, source: 'estimated' };
    return kind === 'aborted' || kind === 'left' ? this.#toEnd(estimated) : estimated;
  }

  /** Estimates what a usage lacks: reporting one half does not make the other free. */
  #complete(usage: Usage, replyBytes: number | undefined): Usage {
    const inputTokens = usage.inputTokens ?? this.#inputTokens;
    const outputTokens = usage.outputTokens ?? this.#untoldOutput(replyBytes);
    return inputTokens === (usage.inputTokens ?? 0) && outputTokens === (usage.outputTokens ?? 0)
      ? usage
      : { ...usage, inputTokens, outputTokens, source: 'estimated' };
  }

  /** When the caller leaves and the provider goes on: the most it may come to. */
  #toEnd(usage: Usage | undefined): Usage | undefined {
    if (!this.#untold.goesOn || usage?.source === 'reported') return usage;
    return {
      inputTokens: this.#inputTokens,
      ...usage,
      outputTokens: this.#untold.outputTokens,
      source: 'estimated',
    };
  }

  #untoldOutput(replyBytes = 0): number {
    const { outputTokens, bytesPerToken } = this.#untold;
    return bytesPerToken === 0 ? outputTokens : Math.min(outputTokens, Math.ceil(replyBytes / bytesPerToken));
  }
}

/**
 * How a request ended, as far as settling needs it. `undelivered`: nothing came back; counted as `countInput` says.
 * `left`: the same, because its caller left before. `unsent`: there was no request at all.
 */
export interface Settled {
  readonly kind: Outcome['kind'] | 'undelivered' | 'left' | 'unsent';
  readonly usage?: Usage | undefined;
  /** Bytes of the reply, as far as it went out. */
  readonly replyBytes?: number;
}

/** How a request that threw ended. */
export function toSettled(code: GatewayErrorCode | undefined): Settled {
  return code === 'caller_gone' ? left : undelivered;
}

const left: Settled = { kind: 'left' };
const undelivered: Settled = { kind: 'undelivered' };

// not awaited: if it fails, the lease runs out and counts what was last reported
function post(ledger: Ledger, id: string, used: number[], onError: (cause: unknown) => void): void {
  try {
    const settling: Awaitable<void> = ledger.settle(id, used);
    if (settling instanceof Promise) settling.catch(onError);
  } catch (cause) {
    onError(cause);
  }
}
