import pRetry from 'p-retry';
import type { Call } from '../call.ts';
import { GatewayError } from '../errors.ts';
import type { Candidate } from '../routing/plan.ts';
import { leave, superseded } from './attempt-entry.ts';
import { AttemptFailure } from './failure.ts';
import { hedge, type Racer } from './hedge.ts';
import type { TimeLimits } from './time-limits.ts';
import { type GoOn, type Served, Trial, type TrialContext } from './trial.ts';
import type { Interruptible, Upstream } from './upstream.ts';
import type { Watched } from './watch.ts';

interface Timed extends Watched {
  readonly ms: number;
}

interface Trying {
  readonly trial: Trial;
  readonly context: TrialContext;
}

/** One request on its way to a provider: attempts until one answers, its time is over, or it is told to end. */
export class Forwarding implements Interruptible {
  before: Interruptible | undefined = undefined;
  behind: Interruptible | undefined = undefined;
  /** What attempts are made with, until a reply is on its way. */
  #trying: Trying | undefined;
  /** A second trial, while it is open which of the two is faster. */
  #beside: Trial | undefined;
  readonly #upstream: Upstream;
  #total: Timed | undefined;
  #begin: Timed | undefined;
  /** The reply on its way to the caller, once there is one. */
  #reply: Interruptible | undefined;
  /** The key that it ends with; undefined when it continues whatever becomes of that. */
  readonly #kid: string | undefined;
  #isOver = false;

  constructor(context: TrialContext, upstream: Upstream, { totalMs, beginMs }: TimeLimits) {
    this.#upstream = upstream;
    const leastMs = beginMs ?? totalMs;
    const endsAtMs = leastMs === undefined ? undefined : context.runtime.monotonicMs() + leastMs;
    this.#trying = { trial: new Trial(context, upstream, endsAtMs), context };
    upstream.running.add(this);
    this.#total = this.#time(totalMs);
    this.#begin = this.#time(beginMs);
    this.#kid = kidOf(context);
    if (this.#kid !== undefined) upstream.runningByKey.add(this.#kid, this);
  }

  #time(ms: number | undefined): Timed | undefined {
    if (ms === undefined) return undefined;
    const timed = { overdue: () => this.#overdue(), ms };
    this.#upstream.watch.add(timed, ms);
    return timed;
  }

  #untime(timed: Timed | undefined): void {
    if (timed) this.#upstream.watch.remove(timed, timed.ms);
  }

  /** The first answer. @throws GatewayError when there is none; AttemptFailure with the provider's own refusal */
  serve(call: Call): Promise<Served> {
    const fail = (error: unknown) => {
      this.end();
      throw this.#toError(error);
    };
    const { trial, context } = this.#trying as Trying;
    const { candidates, forwarding } = context.plan;
    try {
      if (forwarding.hedgeAfterMs !== undefined && candidates.length > 1) {
        return this.#race(call, forwarding.hedgeAfterMs).catch(fail);
      }
      return trial.first(call).catch((firstError: unknown) => this.goOn(firstError, call).catch(fail));
    } catch (error) {
      return fail(error);
    }
  }

  /** Two in parallel when the first one is slow. */
  #race(call: Call, afterMs: number): Promise<Served> {
    const trying = this.#trying as Trying;
    const { trial, context } = trying;
    const second = new Trial(context, this.#upstream, trial.endsAtMs);
    this.#beside = second;
    const discard = ({ reply, passage }: Served) => {
      reply.rest?.body.cancel();
      leave(passage, superseded, reply.inspector.usage(), context.upstreamHolds);
    };
    const slower = new GatewayError('upstream_timeout', 'Another provider was faster.');
    const accepts = ({ id }: Candidate) => id !== second.asked?.id;
    const racers: [Racer<Served>, Racer<Served>] = [
      {
        begin: () =>
          trial
            .first(call, accepts)
            .catch((firstError: unknown) => this.goOn(firstError, call, { accepts }, trying)),
        lose: () => trial.interrupt(slower, superseded),
        discard,
      },
      {
        begin: () => second.beside(call, trial),
        lose: () => second.interrupt(slower, superseded),
        discard,
      },
    ];
    return hedge(racers[0], racers[1], afterMs, context.runtime).then(({ result, winner }) => {
      this.#beside = undefined;
      if (winner === racers[1]) this.#trying = { trial: second, context };
      return result;
    });
  }

  /**
   * Takes over when an attempt has failed: p-retry drives, the trial decides whether, when and whom to ask.
   *
   * @param how what follows a failure instead of the policy, and who may be asked at all. @default the policy, all
   * @param trying what failed: of two in parallel the other one may have answered since. @default what is tried
   */
  goOn(
    failed: unknown,
    call: Call,
    how: GoOn = {},
    { trial, context } = this.#trying as Trying,
  ): Promise<Served> {
    const { plan } = context;
    return pRetry((attempt) => (attempt === 1 ? Promise.reject(failed) : trial.next(call)), {
      retries: plan.forwarding.maxAttempts,
      // p-retry's jitter doubles a pause and never shortens one; the trial draws from all of it
      minTimeout: 0,
      // without the caller's signal: it would throw away a reply that came as the caller left
      shouldRetry: ({ error }) => trial.mayGoOn(error, how),
    });
  }

  /**
   * The reply replaces the attempts: a stream may last long, and must not keep its request.
   *
   * @param mayBreak whether there may be new attempts when it breaks on its way
   */
  replyWith(reply: Interruptible, mayBreak: boolean): void {
    this.#reply = reply;
    if (this.#begin) {
      this.#untime(this.#begin);
      this.#begin = undefined;
      if (this.#trying) this.#trying.trial.endsAtMs = this.#total?.dueMs;
    }
    if (!mayBreak) this.#trying = undefined;
  }

  /** The reply broke on its way: what may follow gets a deadline of its own. */
  noteBroken(failure: AttemptFailure): void {
    this.#trying?.trial.noteBroken(failure);
  }

  interrupt(error: GatewayError): void {
    this.#trying?.trial.interrupt(error);
    this.#beside?.interrupt(error);
    this.#reply?.interrupt(error);
  }

  #overdue(): void {
    this.interrupt(
      new GatewayError('upstream_timeout', 'The time that this request was given is over.', {
        retryable: false,
      }),
    );
  }

  /** Whether an attempt failed that the provider may charge for. */
  get mayHaveCost(): boolean {
    return (this.#trying?.trial.mayHaveCost || this.#beside?.mayHaveCost) ?? false;
  }

  /** Called when nothing of it runs any more. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#upstream.running.remove(this);
    if (this.#kid !== undefined) this.#upstream.runningByKey.remove(this.#kid, this);
    this.#untime(this.#total);
    this.#untime(this.#begin);
  }

  #toError(error: unknown): unknown {
    const { trial, context } = this.#trying as Trying;
    if (context.request.signal.aborted) {
      return new GatewayError('caller_gone', 'The caller closed the connection.', { cause: error });
    }
    if (!(error instanceof AttemptFailure) || error.refusal) return error;
    return exhausted(error, trial.attempts);
  }
}

/**
 * The last failure as the caller sees it. Having retried already, the gateway advises against three more tries, unless
 * it is itself what failed.
 */
function exhausted({ error }: AttemptFailure, attempts: number): GatewayError {
  if (attempts === 1 || error.status < 500 || error.code === 'overloaded') return error;
  const { code, message, status } = error;
  return new GatewayError(code, message, { status, retryable: false, cause: error });
}

function kidOf({ principal, snapshot }: TrialContext): string | undefined {
  return snapshot.config.relay.onRevoke === 'end' && principal.source === 'key' ? principal.key : undefined;
}
