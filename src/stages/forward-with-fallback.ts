import pRetry from 'p-retry';
import type { Arrival, Authorized, Identified, Received, Reserved, Routed } from '../context.ts';
import { GatewayError } from '../errors.ts';
import type { GatewayReply } from '../message.ts';
import type { Stage } from '../pipeline.ts';
import { toReply } from '../reply.ts';
import type { AttemptReply } from '../upstream/attempt.ts';
import { AttemptFailure } from '../upstream/failure.ts';
import { Relay } from '../upstream/relay.ts';
import { toReplyHeaders } from '../upstream/reply-headers.ts';
import { rewriteResultsUrl } from '../upstream/results-url.ts';
import { scrub } from '../upstream/scrub.ts';
import { type Served, Trial } from '../upstream/trial.ts';
import type { Upstream } from '../upstream/upstream.ts';

type Context = Arrival & Identified & Received & Authorized & Reserved & Routed;

/**
 * Sends the call to the plan's candidates until one answers, and relays the answer. The next candidate follows at once;
 * only when all have failed does the round begin again, after a backoff. Once the first byte is on its way to the
 * caller nothing is tried again.
 *
 * @throws GatewayError what the last attempt failed with; `caller_gone` when the caller left.
 */
export function forwardWithFallback(options: { readonly upstream: Upstream }): Stage<Context, never> {
  const { upstream } = options;
  return {
    name: 'forwardWithFallback',
    run(context) {
      const trial = new Trial(context, upstream);
      const serve = (served: Served) => toGatewayReply(context, served, upstream);
      return trial.next().then(serve, (firstError: unknown) =>
        goOn(trial, firstError, context).then(serve, (error: unknown) => {
          if (context.request.signal.aborted) {
            throw new GatewayError('caller_gone', 'The caller closed the connection.', { cause: error });
          }
          throw error instanceof AttemptFailure ? exhausted(error, trial.attempts) : error;
        }),
      );
    },
  };
}

/** Takes over when the first attempt has failed: p-retry decides on pauses, the trial on who is asked and whether. */
function goOn(trial: Trial, firstError: unknown, { request, snapshot }: Context): Promise<Served> {
  const { retry } = snapshot.config;
  return pRetry((attempt) => (attempt === 1 ? Promise.reject(firstError) : trial.next()), {
    retries: retry.maxAttempts,
    minTimeout: retry.minBackoffMs,
    maxTimeout: retry.maxBackoffMs,
    randomize: true,
    signal: request.signal,
    // another candidate is not the one that needs a pause
    shouldConsumeRetry: () => trial.startsOver,
    shouldRetry: ({ error }) => trial.mayGoOn(error),
  });
}

/** The last failure as the caller sees it. Having tried already, the gateway advises against trying three times more. */
function exhausted({ error }: AttemptFailure, attempts: number): GatewayError {
  if (attempts === 1 || error.status < 500) return error;
  return new GatewayError(error.code, error.message, {
    status: error.status,
    retryable: false,
    cause: error,
  });
}

function toGatewayReply(context: Context, { candidate, reply }: Served, upstream: Upstream): GatewayReply {
  const { record, runtime, snapshot } = context;
  record.target = candidate.target.id;
  record.firstByteMs = runtime.monotonicMs() - context.arrivedAtMs;
  const headers = toReplyHeaders(
    context,
    reply.headers,
    candidate.target.provider,
    context.limitHeaders,
    reply.secret,
  );
  if (reply.refused) return toRefusal(context, reply, headers);
  const inspector = reply.inspector;
  if (!reply.rest) {
    const bytes = rewriteResultsUrl(context, reply.bytes ?? new Uint8Array(0));
    const usage = inspector.usage();
    return toReply(reply.status, headers, bytes, usage ? { kind: 'complete', usage } : complete);
  }
  const { relay } = snapshot.config;
  const body = new Relay(reply.rest, {
    first: reply.bytes,
    inspector,
    drain: relay.onDisconnect === 'drain' ? (rest) => upstream.drainer.take(rest, relay.drain) : undefined,
  });
  return { status: reply.status, headers, body, outcome: body.outcome };
}

const complete = { kind: 'complete' } as const;

/** The provider's own word on a bad request, in the dialect it was asked in, with nothing secret in it. */
function toRefusal(
  context: Context,
  reply: AttemptReply,
  headers: ReturnType<typeof toReplyHeaders>,
): GatewayReply {
  const text = reply.bytes && scrub(new TextDecoder().decode(reply.bytes), reply.secret);
  if (text === undefined) {
    throw new GatewayError(
      'upstream_error',
      `The provider refused the request (status ${reply.status}) without saying why.`,
      {
        status: reply.status,
        retryable: false,
      },
    );
  }
  context.record.upstreamError = `status ${reply.status}`;
  return toReply(
    reply.status,
    { ...headers, 'content-type': 'application/json', 'x-should-retry': 'false' },
    text,
    {
      kind: 'refused',
      errorCode: 'upstream_error',
    },
  );
}
