import pRetry from 'p-retry';
import type { Call } from '../call.ts';
import { GatewayError } from '../errors.ts';
import type { Candidate } from '../routing/plan.ts';
import { AttemptFailure } from './failure.ts';
import { type Served, Trial, type TrialContext } from './trial.ts';
import type { Interruptible, Upstream } from './upstream.ts';
import type { Watched } from './watch.ts';

/** One request on its way to a provider: attempts until one answers, in a time, and until it is told to end. */
export class Forwarding implements Interruptible, Watched {
  readonly trial: Trial;
  readonly #context: TrialContext;
  readonly #upstream: Upstream;
  readonly #totalMs: number | undefined;
  /** What is on its way to the caller, once something is. */
  #reply: Interruptible | undefined;
  #isOver = false;

  constructor(context: TrialContext, upstream: Upstream, totalMs: number | undefined) {
    this.#context = context;
    this.#upstream = upstream;
    this.#totalMs = totalMs;
    this.trial = new Trial(context, upstream);
    upstream.running.add(this);
    if (totalMs !== undefined) upstream.watch.add(this, totalMs);
  }

  /** The first answer. @throws GatewayError when there is none; AttemptFailure with the provider's own refusal */
  serve(call: Call): Promise<Served> {
    const fail = (error: unknown) => {
      this.end();
      throw this.#toError(error);
    };
    try {
      return this.trial.first(call).catch((firstError: unknown) => this.goOn(firstError, call).catch(fail));
    } catch (error) {
      return fail(error);
    }
  }

  /**
   * Takes over when an attempt has failed: p-retry drives, the trial decides on who is asked, when, and whether.
   *
   * @param accepts candidates that may be asked at all. @default all
   */
  goOn(failed: unknown, call: Call, accepts?: (candidate: Candidate) => boolean): Promise<Served> {
    const { request, plan } = this.#context;
    return pRetry((attempt) => (attempt === 1 ? Promise.reject(failed) : this.trial.next(call)), {
      retries: plan.forwarding.maxAttempts,
      // its own jitter doubles a pause and never shortens one; the trial draws from all of it
      minTimeout: 0,
      signal: request.signal,
      shouldRetry: ({ error }) => this.trial.mayGoOn(error, accepts),
    });
  }

  /** The reply takes the place of the attempts. */
  replyWith(reply: Interruptible): void {
    this.#reply = reply;
  }

  interrupt(error: GatewayError): void {
    this.trial.interrupt(error);
    this.#reply?.interrupt(error);
  }

  overdue(): void {
    this.interrupt(
      new GatewayError('upstream_timeout', 'The time that this request was given is over.', {
        retryable: false,
      }),
    );
  }

  /** Nothing of it runs any more. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#upstream.running.delete(this);
    if (this.#totalMs !== undefined) this.#upstream.watch.remove(this, this.#totalMs);
  }

  #toError(error: unknown): unknown {
    if (this.#context.request.signal.aborted) {
      return new GatewayError('caller_gone', 'The caller closed the connection.', { cause: error });
    }
    if (!(error instanceof AttemptFailure) || error.refusal) return error;
    return exhausted(error, this.trial.attempts);
  }
}

/** The last failure as the caller sees it. Having tried already, the gateway advises against trying three times more. */
function exhausted({ error }: AttemptFailure, attempts: number): GatewayError {
  if (attempts === 1 || error.status < 500) return error;
  const { code, message, status } = error;
  return new GatewayError(code, message, { status, retryable: false, cause: error });
}
