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
import { type Choice, type ChoiceFacts, choose, isWorse, noChoice } from './choice.ts';
import { AttemptFailure } from './failure.ts';
import type { TargetHealth } from './health/target-health.ts';
import { pause, type QueueBounds, type Waiting, whenFree, whenRecovered } from './pause.ts';
import { Tries, type Turn } from './tries.ts';
import type { Upstream } from './upstream.ts';

/** A candidate and what it answered. */
export interface Served {
  readonly candidate: Candidate;
  readonly reply: AttemptReply;
  /** Told when the reply is over, and when it broke on its way. */
  readonly passage: Passage;
}

/** A reply on its way, as its target sees it. */
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
    /** The model that the call names, if any. */
    readonly model: Model | undefined;
    /** What attempts hold of the limits of providers; absent when no provider has any. */
    readonly upstreamHolds?: UpstreamHolds | undefined;
  };

/** How to continue after a failure, where the policy does not decide that. */
export interface GoOn {
  readonly action?: FailureAction | undefined;
  /** Whether a candidate may be asked at all. @default all */
  readonly accepts?: ((candidate: Candidate) => boolean) | undefined;
}

/** The attempts of one request: whether anybody is asked next, who, and after what pause. */
export class Trial {
  attempts = 0;
  /** Whether an attempt failed that the provider may charge for. */
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
  /** Until then it waits for targets that are left alone; set when the wait begins. */
  #patientUntilMs = Number.POSITIVE_INFINITY;

  /** When the request must be answered, by the monotonic clock; undefined: no deadline. */
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
   * @param accepts whom it may ask, should it have to wait
   * @throws AttemptFailure, or the signal's reason when the caller is gone.
   * @throws GatewayError `rate_limited`, `no_target_available` when nobody may be asked.
   */
  first(call: Call, accepts: (candidate: Candidate) => boolean = all): Promise<Served> {
    this.#accepts = accepts;
    const choice = this.#chooseFirst();
    choice.health.budget.noteFirst(this.#beganAtMs);
    return this.#ask(choice, call);
  }

  #chooseFirst(): Choice {
    const { plan, snapshot } = this.#context;
    const candidate = plan.candidates[0] as Candidate;
    const health = this.#upstream.healths.of(candidate, snapshot.config);
    // the usual case
    if (health.availability(this.#beganAtMs) === 'ready') return { candidate, health, availability: 'ready' };
    const choice = choose(plan.candidates, this.#facts(), admitFirst);
    if (!choice) throw noChoice(plan.candidates, this.#facts());
    return choice;
  }

  /** Whom it is asking now, or is about to; undefined when it waits for the first. */
  get asked(): Candidate | undefined {
    return this.#asked;
  }

  /**
   * Asks a candidate that nobody has asked, in parallel with `first`. Undefined when none may be asked.
   *
   * @param first the trial on its way
   */
  beside(call: Call, first: Trial): Promise<Served> | undefined {
    const facts = this.#facts(false);
    // also when it has to look for another one later
    this.#accepts = (candidate) => candidate.id !== first.asked?.id && first.#isLeft(candidate);
    const candidates = this.#context.plan.candidates.filter(this.#accepts);
    const isReady = (health: TargetHealth) => !isWorse(health.availability(facts.nowMs), 'ready');
    const choice = choose(
      candidates,
      facts,
      (health) => isReady(health) && health.budget.take(facts.nowMs, false),
    );
    return choice && this.#ask(choice, call);
  }

  /** Makes the attempt that `mayGoOn` has decided on. */
  next(call: Call): Promise<Served> {
    const { choice, pauseMs } = this.#turn as Turn;
    const { runtime, request } = this.#context;
    // others have proceeded meanwhile
    if (pauseMs <= 0) return this.#lookAgain(choice, call);
    return pause(pauseMs, runtime, request.signal, this.#waiting).then(() => this.#lookAgain(choice, call));
  }

  /**
   * Whether there may be another attempt after this failure; decides whom it asks.
   */
  mayGoOn(error: unknown, { action: said, accepts = all }: GoOn = {}): boolean {
    this.#accepts = accepts;
    const { plan, runtime, request } = this.#context;
    if (!(error instanceof AttemptFailure) || this.#interrupted || request.signal.aborted) return false;
    const { onFailure, maxAttempts, deadlineMs } = plan.forwarding;
    const action = said ?? onFailure[error.kind];
    if (action === 'stop' || this.attempts >= maxAttempts) return false;
    if (runtime.monotonicMs() - this.#beganAtMs >= deadlineMs) return false;
    this.#turn = this.#failed().after(error, { action, isSaid: said !== undefined, accepts });
    return this.#turn !== undefined;
  }

  /** The serving candidate's reply broke on its way: what may follow gets a deadline of its own. */
  noteBroken(failure: AttemptFailure): void {
    if (this.#serving) this.#failed().note(this.#serving, failure);
    this.#patientUntilMs = Number.POSITIVE_INFINITY;
    this.#beganAtMs = this.#context.runtime.monotonicMs();
  }

  /** Ends what is under way; `first` and `next` reject. @param reason what the record calls it */
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
    // do not wait for what would come too late
    const leftMs = Math.min(endsAtMs, this.endsAtMs ?? endsAtMs, this.#patientUntilMs) - nowMs;
    return {
      healths: this.#upstream.healths,
      config: snapshot.config,
      nowMs,
      mostWaitMs: Math.min(snapshot.config.retry.maxBackoffMs, leftMs),
      mayWait,
    };
  }

  #ask(choice: Choice, call: Call): Promise<Served> {
    const { health, availability } = choice;
    if (this.#interrupted) return giveUp(choice, this.#interrupted);
    if (!isWorse(availability, 'unpaid')) return this.#send(choice, call);
    return this.#wait(choice).then(() => {
      if (availability === 'full') health.promised--;
      return this.#lookAgain(choice, call);
    });
  }

  /** Waits until a target may be asked, as far as that can be known. */
  #wait({ candidate, health, availability }: Choice): Promise<void> {
    const { plan, runtime, request, snapshot } = this.#context;
    const nowMs = runtime.monotonicMs();
    this.#patientUntilMs = Math.min(this.#patientUntilMs, nowMs + snapshot.config.retry.maxBackoffMs);
    if (availability === 'cooling') {
      return pause(health.coolMs(nowMs), runtime, request.signal, this.#waiting);
    }
    const bounds: QueueBounds = {
      most: candidate.target.provider.config.maxQueued,
      mostWaitMs: this.#facts().mostWaitMs,
      isBatch: priorityOf(this.#context) === 'batch',
    };
    if (availability === 'full') return whenFree(health, bounds, runtime, request.signal, this.#waiting);
    const refusal = () => noChoice(plan.candidates, this.#facts());
    return whenRecovered(health, bounds, refusal, runtime, request.signal, this.#waiting);
  }

  /** Much may have changed during the wait: asks whoever may be asked now. */
  #lookAgain(before: Choice, call: Call): Promise<Served> {
    const { candidate } = before;
    const others = this.#left().filter((other) => other !== candidate);
    const candidates = this.#accepts(candidate) ? [candidate, ...others] : others;
    const choice = choose(candidates, this.#facts(), admitFirst);
    if (!choice) return giveUp(before, noChoice(this.#context.plan.candidates, this.#facts()));
    // those queued behind it need not wait for one that does not come
    if (choice.candidate !== candidate || isWorse(choice.availability, 'unpaid')) before.health.offerPlaces();
    return this.#ask(choice, call);
  }

  #send(choice: Choice, call: Call): Promise<Served> {
    this.#asked = choice.candidate;
    const holds = this.#context.upstreamHolds;
    if (!holds) return this.#attempt(choice, call);
    let held: Awaitable<Account | GatewayError | undefined>;
    try {
      held = holds.reserve(choice.candidate, call);
    } catch (error) {
      return giveUp(choice, error);
    }
    const go = (hold: Account | GatewayError | undefined) =>
      isGatewayError(hold) ? this.#passOver(choice, hold, call) : this.#attempt(choice, call, hold);
    if (!(held instanceof Promise)) return go(held);
    const { health, availability } = choice;
    // its place is kept while the ledger is asked
    health.promised++;
    return held.then(
      (hold) => {
        health.promised--;
        const nowMs = this.#context.runtime.monotonicMs();
        if (isGatewayError(hold) || !isWorse(health.availability(nowMs), availability)) return go(hold);
        holds.release(hold);
        return this.#lookAgain(choice, call);
      },
      (error: unknown) => {
        health.promised--;
        return giveUp(choice, error);
      },
    );
  }

  /** A candidate at a limit of its own is not asked, and not unhealthy. */
  #passOver({ candidate, health }: Choice, error: GatewayError, call: Call): Promise<Served> {
    health.offerPlaces();
    noteAttempt(this.#context.record, { target: candidate.id, failure: 'limit', durationMs: 0 });
    const failure = new AttemptFailure('refused', error, 'limit', { unhealthy: false, again: false });
    this.#failed().note(candidate, failure);
    const choice = choose(this.#left(), this.#facts(), admitFirst);
    return choice ? this.#ask(choice, call) : Promise.reject(failure);
  }

  #attempt(choice: Choice, call: Call, hold?: Account): Promise<Served> {
    if (this.#interrupted) {
      this.#context.upstreamHolds?.release(hold);
      return giveUp(choice, this.#interrupted);
    }
    // a probe has not shown yet that waiting is worth it
    if (choice.availability !== 'probe') this.#patientUntilMs = Number.POSITIVE_INFINITY;
    this.attempts++;
    const { candidate } = choice;
    const entry = new AttemptEntry(this.#upstream, this.#context, call, choice, hold, this.endsAtMs);
    this.#running = entry.attempt;
    return entry.attempt.run().then(
      (reply) => {
        this.#running = undefined;
        this.#serving = candidate;
        return entry.served(reply);
      },
      (error: unknown) => {
        this.#running = undefined;
        const failure = error instanceof AttemptFailure ? error : undefined;
        if (entry.failed(failure)) this.mayHaveCost = true;
        if (failure) this.#failed().note(candidate, failure);
        throw this.#interrupted ?? error;
      },
    );
  }

  /** Whom to ask instead of one that may not be asked. */
  #left(): Candidate[] {
    const others = this.#turn?.others ?? this.#context.plan.candidates;
    return others.filter((other) => this.#isLeft(other));
  }

  /** Whether it has not failed in this request, and may be asked. */
  #isLeft(candidate: Candidate): boolean {
    return !this.#tries?.has(candidate) && this.#accepts(candidate);
  }
}

/** Gives up a choice: whoever waits for the target may have its place. */
function giveUp({ health }: Choice, error: unknown): Promise<never> {
  health.offerPlaces();
  return Promise.reject(error);
}

const admitFirst = () => true;
const all = () => true;
