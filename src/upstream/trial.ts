import { priorityOf } from '../admission/priority.ts';
import type { Call } from '../call.ts';
import type { Model } from '../config/snapshot.ts';
import type { Arrival, Identified, Received, Routed } from '../context.ts';
import { type GatewayError, isGatewayError } from '../errors.ts';
import type { Account } from '../limits/account.ts';
import type { Awaitable } from '../limits/ledger.ts';
import type { UpstreamHolds } from '../limits/upstream-holds.ts';
import type { Usage } from '../message.ts';
import type { FailureAction } from '../routing/forwarding.ts';
import type { ObservedAttempt } from '../routing/observations.ts';
import type { Candidate } from '../routing/plan.ts';
import { noteAttempt } from '../telemetry/record.ts';
import type { Attempt, AttemptReply } from './attempt.ts';
import { AttemptEntry } from './attempt-entry.ts';
import { type Choice, type ChoiceFacts, choose, noChoice } from './choice.ts';
import { AttemptFailure } from './failure.ts';
import type { TargetHealth } from './health/target-health.ts';
import { pause, type QueueBounds, type Waiting, whenFree, whenRecovered } from './pause.ts';
import { Tries, type Turn } from './tries.ts';
import type { Upstream } from './upstream.ts';

/** A candidate and what it answered. */
export interface Served {
  readonly candidate: Candidate;
  readonly reply: AttemptReply;
  /** To be told when the reply is over, and when it broke on its way. */
  readonly passage: Passage;
}

/** A reply on its way, as far as its target is concerned. */
export interface Passage {
  readonly health: TargetHealth;
  readonly observed: ObservedAttempt;
  readonly record: { failure?: string; usage?: Usage };
  /** What it holds of the limits of its provider. */
  readonly hold: Account | undefined;
  /** Whether it closed the breaker. */
  readonly wasProbe: boolean;
}

/** What the attempts of a request are made with. */
export type TrialContext = Arrival &
  Identified &
  Received &
  Routed & {
    /** What the call names; undefined where it names none. */
    readonly model: Model | undefined;
    /** What attempts hold of the limits of providers; absent where no provider has any. */
    readonly upstreamHolds?: UpstreamHolds | undefined;
  };

/** How it goes on after a failure, where that is not the policy's to say. */
export interface GoOn {
  readonly action?: FailureAction | undefined;
  /** Candidates that may be asked at all. @default all */
  readonly accepts?: ((candidate: Candidate) => boolean) | undefined;
}

/** The attempts of one request: who is asked next, after which pause, and whether anybody is. */
export class Trial {
  attempts = 0;
  /** Whether an attempt failed that the provider may want to be paid for. */
  mayHaveCost = false;
  readonly #context: TrialContext;
  readonly #upstream: Upstream;
  /** Most requests never have any. */
  #tries: Tries | undefined;
  #beganAtMs: number;
  #serving: Candidate | undefined;
  #asked: Candidate | undefined;
  #turn: Turn | undefined;
  #accepts: (candidate: Candidate) => boolean = all;
  #running: Attempt | undefined;
  #interrupted: GatewayError | undefined;
  readonly #waiting: Waiting = { end: undefined };
  /** Until then it waits for targets that are left alone; set when it begins to. */
  #patientUntilMs = Number.POSITIVE_INFINITY;

  /** When the request must be answered, by the monotonic clock; undefined where nobody says so. */
  endsAtMs: number | undefined;

  constructor(context: TrialContext, upstream: Upstream, endsAtMs: number | undefined) {
    this.endsAtMs = endsAtMs;
    this.#context = context;
    this.#upstream = upstream;
    this.#beganAtMs = context.runtime.monotonicMs();
  }

  /**
   * Asks the plan's first candidate that may be asked.
   *
   * @throws AttemptFailure, or the signal's reason when the caller is gone.
   * @throws GatewayError `rate_limited`, `no_target_available` when nobody may be asked.
   */
  first(call: Call): Promise<Served> {
    const choice = this.#chooseFirst();
    choice.health.budget.noteFirst(this.#beganAtMs);
    return this.#ask(choice, call);
  }

  #chooseFirst(): Choice {
    const { plan, snapshot } = this.#context;
    const candidate = plan.candidates[0] as Candidate;
    const health = this.#upstream.healths.of(candidate, snapshot.config);
    // nearly always
    if (health.availability(this.#beganAtMs) === 'ready') return { candidate, health, availability: 'ready' };
    const choice = choose(plan.candidates, this.#facts(), admitFirst);
    if (!choice) throw noChoice(plan.candidates, this.#facts());
    return choice;
  }

  /** Whom it is asking now; undefined when it has not sent anything. */
  get asked(): Candidate | undefined {
    return this.#asked;
  }

  /**
   * Asks one that nobody has asked, beside what is on its way already. Undefined when there is none that may be.
   *
   * @param others whom not to ask
   */
  beside(call: Call, others: Candidate | undefined): Promise<Served> | undefined {
    const { plan } = this.#context;
    const candidates = plan.candidates.filter(({ id }) => id !== others?.id);
    const choice = this.#failed().other(candidates, false)?.choice;
    return choice && ['ready', 'probe'].includes(choice.availability) ? this.#ask(choice, call) : undefined;
  }

  /** Makes the attempt that `mayGoOn` has decided on. */
  next(call: Call): Promise<Served> {
    const { choice, pauseMs } = this.#turn as Turn;
    const { runtime, request } = this.#context;
    if (pauseMs <= 0) return this.#ask(choice, call);
    return pause(pauseMs, runtime, request.signal, this.#waiting).then(() => this.#ask(choice, call, true));
  }

  /**
   * Whether there may be another attempt after this failure; decides on whom.
   */
  mayGoOn(error: unknown, { action: said, accepts = all }: GoOn = {}): boolean {
    this.#accepts = accepts;
    if (!(error instanceof AttemptFailure) || this.#interrupted) return false;
    const { plan, runtime } = this.#context;
    const { onFailure, maxAttempts, deadlineMs } = plan.forwarding;
    const action = said ?? onFailure[error.kind];
    if (action === 'stop' || this.attempts >= maxAttempts) return false;
    if (runtime.monotonicMs() - this.#beganAtMs >= deadlineMs) return false;
    this.#turn = this.#failed().after(error, { action, isSaid: said !== undefined, accepts });
    return this.#turn !== undefined;
  }

  /** The reply of the candidate that serves broke on its way: what may follow has a time of its own. */
  noteBroken(failure: AttemptFailure): void {
    if (this.#serving) this.#failed().note(this.#serving, failure);
    this.#patientUntilMs = Number.POSITIVE_INFINITY;
    this.#beganAtMs = this.#context.runtime.monotonicMs();
  }

  /** Ends what is on its way; `first` and `next` reject. @param reason what the record calls it */
  interrupt(error: GatewayError, reason = 'interrupted'): void {
    this.#interrupted ??= error;
    this.#waiting.end?.(error);
    const options = { unhealthy: false, again: false } as const;
    this.#running?.cancel(new AttemptFailure('uncertain', error, reason, options));
  }

  #failed(): Tries {
    this.#tries ??= new Tries(this.#context, (mayWait) => this.#facts(mayWait));
    return this.#tries;
  }

  #facts(mayWait = true): ChoiceFacts {
    const { runtime, snapshot, plan } = this.#context;
    const nowMs = runtime.monotonicMs();
    const endsAtMs = this.#beganAtMs + plan.forwarding.deadlineMs;
    // there is no sense in waiting for what would come too late
    const leftMs = Math.min(endsAtMs, this.endsAtMs ?? endsAtMs, this.#patientUntilMs) - nowMs;
    return {
      healths: this.#upstream.healths,
      config: snapshot.config,
      nowMs,
      mostWaitMs: Math.min(snapshot.config.retry.maxBackoffMs, leftMs),
      mayWait,
    };
  }

  #ask(choice: Choice, call: Call, hasPaused = false): Promise<Served> {
    const { runtime, request } = this.#context;
    if (this.#interrupted) return Promise.reject(this.#interrupted);
    if (choice.availability === 'cooling' && !hasPaused) {
      const waitMs = choice.health.coolMs(runtime.monotonicMs());
      return pause(waitMs, runtime, request.signal, this.#waiting).then(() => this.#send(choice, call));
    }
    if (choice.availability === 'dead') return this.#askWhenRecovered(choice, call);
    if (choice.availability !== 'full') return this.#send(choice, call);
    const bounds = this.#boundsOf(choice.candidate);
    return whenFree(choice.health, bounds, runtime, request.signal, this.#waiting).then(() =>
      this.#send(choice, call),
    );
  }

  #boundsOf({ target }: Candidate): QueueBounds {
    const { mostWaitMs } = this.#facts();
    const isBatch = priorityOf(this.#context) === 'batch';
    return { most: target.provider.config.maxQueued, mostWaitMs, isBatch };
  }

  /** Nobody may be asked now: waits for what comes of the next probe, and looks again. */
  #askWhenRecovered({ candidate, health }: Choice, call: Call): Promise<Served> {
    const { plan, runtime, request, snapshot } = this.#context;
    const { maxBackoffMs } = snapshot.config.retry;
    this.#patientUntilMs = Math.min(this.#patientUntilMs, runtime.monotonicMs() + maxBackoffMs);
    const bounds = this.#boundsOf(candidate);
    const refusal = () => noChoice(plan.candidates, this.#facts());
    return whenRecovered(health, bounds, refusal, runtime, request.signal, this.#waiting).then(() => {
      const others = plan.candidates.filter((other) => other === candidate || this.#isLeft(other));
      const choice = choose(others, this.#facts(), admitFirst);
      if (!choice) throw refusal();
      return this.#ask(choice, call);
    });
  }

  #send(choice: Choice, call: Call): Promise<Served> {
    const holds = this.#context.upstreamHolds;
    if (!holds) return this.#attempt(choice, call);
    let held: Awaitable<Account | GatewayError | undefined>;
    try {
      held = holds.reserve(choice.candidate, call);
    } catch (error) {
      return Promise.reject(error);
    }
    const go = (hold: Account | GatewayError | undefined) =>
      isGatewayError(hold) ? this.#passOver(choice, hold, call) : this.#attempt(choice, call, hold);
    return held instanceof Promise ? held.then(go) : go(held);
  }

  /** A candidate that is at a limit of its own is not asked, and is not ill. */
  #passOver({ candidate, health, availability }: Choice, error: GatewayError, call: Call): Promise<Served> {
    if (availability === 'full') health.offerPlace();
    const { plan, record } = this.#context;
    noteAttempt(record, { target: candidate.id, failure: 'limit', durationMs: 0 });
    const failure = new AttemptFailure('refused', error, 'limit', { unhealthy: false, again: false });
    this.#failed().note(candidate, failure);
    const others = plan.candidates.filter((other) => this.#isLeft(other));
    const choice = choose(others, this.#facts(), admitFirst);
    return choice ? this.#ask(choice, call) : Promise.reject(failure);
  }

  #attempt(choice: Choice, call: Call, hold?: Account): Promise<Served> {
    if (this.#interrupted) {
      if (hold) this.#context.upstreamHolds?.fail(hold, false);
      return Promise.reject(this.#interrupted);
    }
    this.attempts++;
    const { candidate } = choice;
    const entry = new AttemptEntry(this.#upstream, this.#context, call, choice, hold, this.endsAtMs);
    this.#running = entry.attempt;
    this.#asked = candidate;
    return entry.attempt.run().then(
      (reply) => {
        this.#running = undefined;
        this.#serving = candidate;
        return entry.served(reply);
      },
      (error: unknown) => {
        this.#running = undefined;
        const failure = error instanceof AttemptFailure ? error : undefined;
        entry.failed(failure);
        if (failure?.mayCost) this.mayHaveCost = true;
        if (failure) this.#failed().note(candidate, failure);
        throw this.#interrupted ?? error;
      },
    );
  }

  /** Whether it has not failed in this request, and may be asked. */
  #isLeft(candidate: Candidate): boolean {
    return !this.#tries?.has(candidate) && this.#accepts(candidate);
  }
}

const admitFirst = () => true;
const all = () => true;
