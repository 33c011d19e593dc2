import type { Arrival, Identified, Received, Routed } from '../context.ts';
import { GatewayError } from '../errors.ts';
import type { Account } from '../limits/account.ts';
import { estimateInputTokens } from '../limits/estimate.ts';
import type { Candidate } from '../routing/plan.ts';
import type { Runtime } from '../runtime.ts';
import { type AttemptReply, attempt } from './attempt.ts';
import { toOpenFailure } from './breakers.ts';
import { AttemptFailure } from './failure.ts';
import type { Upstream } from './upstream.ts';

/** A candidate and what it answered. */
export interface Served {
  readonly candidate: Candidate;
  readonly reply: AttemptReply;
}

/** What the attempts of a request are made with. */
export type TrialContext = Arrival &
  Identified &
  Received &
  Routed & {
    /** What the request holds of its limits; absent where none concern it. */
    readonly account?: Account | undefined;
  };

/** The attempts of one request: which candidate is next, and whether there may be another. */
export class Trial {
  attempts = 0;
  readonly #context: TrialContext;
  readonly #upstream: Upstream;
  readonly #beganAtMs: number;
  /** Candidates of this round that were not asked yet. */
  #round: Candidate[];

  /** @throws GatewayError `rate_limited` when every candidate has asked to be left alone for longer than is worth waiting. */
  constructor(context: TrialContext, upstream: Upstream) {
    this.#context = context;
    this.#upstream = upstream;
    this.#beganAtMs = context.runtime.monotonicMs();
    this.#round = this.#nextRound();
    if (this.#round.length === 0) throw allCooling(context.plan.candidates, upstream);
  }

  /** Whether the next attempt goes to a candidate that was asked before, and so needs a pause. */
  get startsOver(): boolean {
    return this.#round.length === 0;
  }

  /** Whether there may be another attempt after this failure. */
  mayGoOn(error: unknown): boolean {
    const { retry } = this.#context.snapshot.config;
    if (!(error instanceof AttemptFailure) || error.retry === 'nowhere') return false;
    if (this.attempts >= retry.maxAttempts) return false;
    if (this.#context.runtime.monotonicMs() - this.#beganAtMs >= retry.deadlineMs) return false;
    if (this.#round.length === 0 && error.retry === 'anywhere') this.#round = this.#nextRound();
    return this.#round.length > 0;
  }

  /**
   * Makes the next attempt and notes it in the record.
   *
   * @throws AttemptFailure, or the signal's reason when the caller is gone.
   */
  next(): Promise<Served> {
    const { request, runtime } = this.#context;
    const candidate = this.#round.shift() as Candidate;
    this.attempts++;
    const coolMs = this.#upstream.coolMs(candidate.id);
    return coolMs > 0
      ? pause(coolMs, runtime, request.signal).then(() => this.#ask(candidate))
      : this.#ask(candidate);
  }

  #ask(candidate: Candidate): Promise<Served> {
    const { call, record, runtime, snapshot } = this.#context;
    const target = candidate.id;
    const startedAtMs = runtime.monotonicMs();
    return this.#upstream.breakers
      .run(target, snapshot.config.breaker, () =>
        attempt(this.#upstream.egress, this.#context, call, candidate, estimateInputTokens(call)),
      )
      .then(
        (reply) => {
          const durationMs = runtime.monotonicMs() - startedAtMs;
          record.attempts.push({ target, status: reply.status, durationMs });
          this.#context.account?.watch(reply.inspector);
          return { candidate, reply };
        },
        (thrown: unknown) => {
          const error = toOpenFailure(thrown, snapshot.config.breaker) ?? thrown;
          const failure = error instanceof AttemptFailure ? error.reason : 'cancelled';
          record.attempts.push({ target, failure, durationMs: runtime.monotonicMs() - startedAtMs });
          if (error instanceof AttemptFailure && error.retryAfterMs !== undefined) {
            this.#upstream.coolDown(target, error.retryAfterMs);
          }
          throw error;
        },
      );
  }

  /** Candidates that may be asked now; when all have asked to be left alone, those for which it is worth waiting. */
  #nextRound(): Candidate[] {
    const { candidates } = this.#context.plan;
    if (!this.#upstream.isCooling) return [...candidates];
    const { maxBackoffMs } = this.#context.snapshot.config.retry;
    const ready = candidates.filter(({ id }) => this.#upstream.coolMs(id) === 0);
    return ready.length > 0
      ? ready
      : candidates.filter(({ id }) => this.#upstream.coolMs(id) <= maxBackoffMs);
  }
}

function allCooling(candidates: readonly Candidate[], upstream: Upstream): GatewayError {
  const waitMs = Math.min(...candidates.map(({ id }) => upstream.coolMs(id)));
  return new GatewayError(
    'rate_limited',
    'The providers of this model have asked to be left alone for a while. Try again later.',
    { retryAfterSeconds: Math.ceil(waitMs / 1_000) },
  );
}

function pause(waitMs: number, runtime: Runtime, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = runtime.schedule(waitMs, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
