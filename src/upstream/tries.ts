import type { FailureAction, FailureClass } from '../routing/forwarding.ts';
import type { Candidate } from '../routing/plan.ts';
import { type Choice, type ChoiceFacts, choose } from './choice.ts';
import { eligible } from './eligible.ts';
import type { AttemptFailure } from './failure.ts';
import type { TrialContext } from './trial.ts';

/** A candidate that has failed in this request. */
interface Tried {
  readonly candidate: Candidate;
  failure: AttemptFailure;
  repeated: number;
}

/** What follows a failure. */
export interface Following {
  readonly action: FailureAction;
  /** Whether the action is given for this request, whatever the policy says of a class. */
  readonly isSaid: boolean;
  /** Whether a candidate may be asked at all. */
  readonly accepts: (candidate: Candidate) => boolean;
}

/** Who is asked next, and after what pause. */
export interface Turn {
  readonly choice: Choice;
  /** Other candidates that the failure leads to. */
  readonly others: readonly Candidate[];
  readonly pauseMs: number;
}

/** How often the same target is asked again: more often when it provably did not take the request up. */
const repeats: Partial<Record<FailureClass, number>> = { 'not-sent': 2, refused: 2, overloaded: 2 };

const stale = 'stale connection';

/** What has failed in one request, and who may be asked for it next. */
export class Tries {
  readonly #context: TrialContext;
  readonly #factsOf: (mayWait: boolean) => ChoiceFacts;
  readonly #tried: Tried[] = [];

  /** @param factsOf what candidates are chosen by; `mayWait`: dead ones may be waited for */
  constructor(context: TrialContext, factsOf: (mayWait: boolean) => ChoiceFacts) {
    this.#context = context;
    this.#factsOf = factsOf;
  }

  note(candidate: Candidate, failure: AttemptFailure): void {
    const tried = this.#at(candidate.id);
    if (tried) tried.failure = failure;
    else this.#tried.push({ candidate, failure, repeated: 0 });
  }

  has({ id }: Candidate): boolean {
    return this.#at(id) !== undefined;
  }

  /** Who is asked after this failure; undefined when nobody may be asked. */
  after(failure: AttemptFailure, following: Following): Turn | undefined {
    const { plan, model } = this.#context;
    const { action, accepts } = following;
    const others = eligible(plan.candidates, this.#tried, failure, action, model).filter(accepts);
    const other = (mayWait: boolean) => this.#other(others, mayWait);
    const again = (mayWait: boolean) =>
      action === 'retry' ? this.#again(following, others, mayWait) : undefined;
    // whoever may be asked now, even a second time, comes before waiting for anybody
    return other(false) ?? again(false) ?? other(true) ?? again(true);
  }

  /** One of the candidates that have not failed in this request. */
  #other(others: readonly Candidate[], mayWait: boolean): Turn | undefined {
    const facts = this.#factsOf(mayWait);
    const choice = choose(others, facts, (health) => health.budget.take(facts.nowMs, false));
    return choice && { choice, others, pauseMs: 0 };
  }

  /** One that has failed but may do better after a pause: full jitter under an exponential bound. */
  #again(following: Following, others: readonly Candidate[], mayWait: boolean): Turn | undefined {
    const { snapshot, runtime } = this.#context;
    const { minBackoffMs, maxBackoffMs } = snapshot.config.retry;
    const facts = this.#factsOf(mayWait);
    const candidates = this.#tried
      .filter((tried) => this.#mayRepeat(tried, following))
      .map(({ candidate }) => candidate);
    const choice = choose(
      candidates,
      facts,
      (health) => this.#at(health.id)?.failure.reason === stale || health.budget.take(facts.nowMs, true),
    );
    const tried = choice && this.#at(choice.candidate.id);
    if (!tried) return undefined;
    const mostMs = Math.min(maxBackoffMs, minBackoffMs * 2 ** tried.repeated);
    tried.repeated++;
    // a stale connection says nothing about the next one
    const backoffMs = tried.failure.reason === stale ? 0 : runtime.random() * mostMs;
    return { choice, others, pauseMs: Math.max(backoffMs, choice.health.coolMs(facts.nowMs)) };
  }

  #mayRepeat({ candidate, failure, repeated }: Tried, { action, isSaid, accepts }: Following): boolean {
    const { onFailure } = this.#context.plan.forwarding;
    const most = repeats[failure.kind] ?? 1;
    const said = isSaid ? action : onFailure[failure.kind];
    return failure.again && repeated < most && said === 'retry' && accepts(candidate);
  }

  #at(id: string): Tried | undefined {
    return this.#tried.find(({ candidate }) => candidate.id === id);
  }
}
