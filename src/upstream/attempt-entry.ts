import type { Call } from '../call.ts';
import type { Account } from '../limits/account.ts';
import { estimateInputTokens } from '../limits/estimate.ts';
import type { UpstreamHolds } from '../limits/upstream-holds.ts';
import type { Usage } from '../message.ts';
import type { FailureClass } from '../routing/forwarding.ts';
import type { ObservedAttempt } from '../routing/observations.ts';
import { type AttemptRecord, noteAttempt } from '../telemetry/record.ts';
import { Attempt, type AttemptReply } from './attempt.ts';
import type { Choice } from './choice.ts';
import type { AttemptFailure } from './failure.ts';
import type { TargetHealth } from './health/target-health.ts';
import type { Passage, Served, TrialContext } from './trial.ts';
import type { Upstream } from './upstream.ts';

/** One attempt, and all that its result is reported to: the health of its target, what it holds, the record. */
export class AttemptEntry {
  readonly attempt: Attempt;
  readonly #upstream: Upstream;
  readonly #context: TrialContext;
  readonly #choice: Choice;
  readonly #hold: Account | undefined;
  readonly #observed: ObservedAttempt;
  readonly #startedAtMs: number;
  readonly #wasProbe: boolean;

  /** Begins the attempt. @param endsAtMs when the request must be answered */
  constructor(
    upstream: Upstream,
    context: TrialContext,
    call: Call,
    choice: Choice,
    hold: Account | undefined,
    endsAtMs: number | undefined,
  ) {
    const { candidate, health, availability } = choice;
    this.#upstream = upstream;
    this.#context = context;
    this.#choice = choice;
    this.#hold = hold;
    this.#startedAtMs = context.runtime.monotonicMs();
    // another request may have begun to probe it while this one waited
    this.#wasProbe = availability === 'probe' && health.breaker.mayProbe(this.#startedAtMs);
    if (this.#wasProbe) health.breaker.beginProbe();
    health.begin();
    this.#observed = upstream.observations.onStart(candidate.id);
    this.attempt = new Attempt(upstream, {
      arrival: context,
      call,
      candidate,
      policy: context.plan.forwarding,
      inputTokens: estimateInputTokens(call),
      observed: this.#observed,
      startedAtMs: this.#startedAtMs,
      endsAtMs,
    });
  }

  /** The target answered. */
  served(reply: AttemptReply): Served {
    const { candidate, health } = this.#choice;
    const { runtime, record, snapshot } = this.#context;
    const nowMs = runtime.monotonicMs();
    const wasProbe = this.#wasProbe;
    health.answered(nowMs, wasProbe);
    this.#observed.onFirstToken();
    if (snapshot.config.breaker.slowFactor !== undefined) this.#ejectSlow(health, nowMs);
    const noted: Passage['record'] & AttemptRecord = {
      target: candidate.id,
      status: reply.status,
      durationMs: nowMs - this.#startedAtMs,
    };
    noteAttempt(record, noted);
    const passage = { health, observed: this.#observed, record: noted, hold: this.#hold, wasProbe };
    return { candidate, reply, passage };
  }

  /**
   * It failed, or was ended because another one was faster or the caller left.
   *
   * @returns whether it may have cost something
   */
  failed(failure: AttemptFailure | undefined): boolean {
    const { candidate, health } = this.#choice;
    const { runtime, record, upstreamHolds } = this.#context;
    const { attempt } = this;
    const usage = failure?.reason === superseded ? attempt.spent() : undefined;
    // if it ended before anything was sent, it cost nothing
    const isSent = attempt.isTaken || (failure !== undefined && !attempt.isCancelled);
    upstreamHolds?.fail(this.#hold, usage !== undefined || (isSent && isUncertain(failure)), usage);
    noteAttempt(record, {
      target: candidate.id,
      failure: failure?.reason ?? 'cancelled',
      durationMs: runtime.monotonicMs() - this.#startedAtMs,
      ...(usage && { usage }),
    });
    if (failure) health.failed(failure, this.#wasProbe);
    else if (this.#wasProbe) health.endProbe();
    health.end();
    this.#observed.onEnd({ ok: !failure?.unhealthy });
    return isSent && (failure?.mayCost ?? attempt.spent() !== undefined);
  }

  /** Ejects a target that takes much longer for its first content than the fastest other one. */
  #ejectSlow(health: TargetHealth, nowMs: number): void {
    const { candidate } = this.#choice;
    const { snapshot, plan } = this.#context;
    const { slowFactor = Number.POSITIVE_INFINITY, volumeThreshold } = snapshot.config.breaker;
    // what was on its way when it was ejected says nothing new
    if (!health.breaker.isClosed || health.answers < volumeThreshold) return;
    const { observations } = this.#upstream;
    const ownMs = observations.of(candidate.id).firstTokenMs;
    if (ownMs === undefined) return;
    let fastestMs = Number.POSITIVE_INFINITY;
    for (const other of plan.candidates) {
      if (other.target.id === candidate.target.id) continue;
      fastestMs = Math.min(fastestMs, observations.of(other.id).firstTokenMs ?? Number.POSITIVE_INFINITY);
    }
    if (ownMs > slowFactor * fastestMs) health.breaker.eject(nowMs, true);
  }
}

/** Discards an answer that the caller does not get. @param why what the record calls it @param usage what it used */
export function leave(
  { record, health, observed, hold }: Passage,
  why: string,
  usage: Usage | undefined,
  holds: UpstreamHolds | undefined,
): void {
  record.failure = why;
  if (usage) record.usage = usage;
  health.end();
  observed.onEnd({ ok: true });
  holds?.fail(hold, true, usage);
}

/** What the record calls the slower of two parallel attempts. */
export const superseded = 'superseded';

/** Failures after which nobody knows what the provider has done. */
const uncertain: ReadonlySet<FailureClass> = new Set([
  'uncertain',
  'timeout',
  'broken-stream',
  'invalid-reply',
]);

function isUncertain(failure: AttemptFailure | undefined): boolean {
  return failure === undefined || (failure.reason !== superseded && uncertain.has(failure.kind));
}
