import pRetry from 'p-retry';
import type { Arrival, Authorized, Identified, Received, Reserved, Routed } from '../context.ts';
import { GatewayError } from '../errors.ts';
import { estimateInputTokens } from '../limits/estimate.ts';
import type { GatewayReply } from '../message.ts';
import type { Stage } from '../pipeline.ts';
import { toReply } from '../reply.ts';
import type { Candidate } from '../routing/plan.ts';
import type { Runtime } from '../runtime.ts';
import { type AttemptReply, attempt } from '../upstream/attempt.ts';
import { AttemptFailure } from '../upstream/failure.ts';
import { Relay } from '../upstream/relay.ts';
import { toReplyHeaders } from '../upstream/reply-headers.ts';
import { rewriteResultsUrl } from '../upstream/results-url.ts';
import { scrub } from '../upstream/scrub.ts';
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
    async run(context) {
      const served = await firstThatServes(context, upstream);
      return toGatewayReply(context, served, upstream);
    },
  };
}

interface Served {
  readonly candidate: Candidate;
  readonly reply: AttemptReply;
}

async function firstThatServes(context: Context, upstream: Upstream): Promise<Served> {
  const { retry } = context.snapshot.config;
  const { signal } = context.request;
  const { runtime, plan } = context;
  const beganAtMs = runtime.monotonicMs();
  let attempts = 0;
  let round = nextRound(plan.candidates, upstream, retry.maxBackoffMs);
  if (round.length === 0) throw allCooling(plan.candidates, upstream);
  try {
    return await pRetry(
      async () => {
        const candidate = round.shift() as Candidate;
        attempts++;
        await pause(upstream.coolMs(candidate.id), runtime, signal);
        return { candidate, reply: await once(context, upstream, candidate) };
      },
      {
        retries: retry.maxAttempts,
        minTimeout: retry.minBackoffMs,
        maxTimeout: retry.maxBackoffMs,
        randomize: true,
        signal,
        // another candidate is not the one that needs a pause
        shouldConsumeRetry: () => round.length === 0,
        shouldRetry({ error }) {
          if (!(error instanceof AttemptFailure) || error.retry === 'nowhere') return false;
          if (attempts >= retry.maxAttempts || runtime.monotonicMs() - beganAtMs >= retry.deadlineMs)
            return false;
          if (round.length > 0) return true;
          if (error.retry === 'anywhere') round = nextRound(plan.candidates, upstream, retry.maxBackoffMs);
          return round.length > 0;
        },
      },
    );
  } catch (error) {
    if (signal.aborted)
      throw new GatewayError('caller_gone', 'The caller closed the connection.', { cause: error });
    throw error instanceof AttemptFailure ? exhausted(error, attempts) : error;
  }
}

/** Candidates that may be asked now; when all have asked to be left alone, those for which it is worth waiting. */
function nextRound(candidates: readonly Candidate[], upstream: Upstream, maxWaitMs: number): Candidate[] {
  const ready = candidates.filter(({ id }) => upstream.coolMs(id) === 0);
  return ready.length > 0 ? ready : candidates.filter(({ id }) => upstream.coolMs(id) <= maxWaitMs);
}

function allCooling(candidates: readonly Candidate[], upstream: Upstream): GatewayError {
  const waitMs = Math.min(...candidates.map(({ id }) => upstream.coolMs(id)));
  return new GatewayError(
    'rate_limited',
    'The providers of this model have asked to be left alone for a while. Try again later.',
    {
      retryAfterSeconds: Math.ceil(waitMs / 1_000),
    },
  );
}

function pause(waitMs: number, runtime: Runtime, signal: AbortSignal): Promise<void> | undefined {
  if (waitMs === 0) return undefined;
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

/** The last failure as the caller sees it. Having tried already, the gateway advises against trying three times more. */
function exhausted({ error }: AttemptFailure, attempts: number): GatewayError {
  if (attempts === 1 || error.status < 500) return error;
  return new GatewayError(error.code, error.message, {
    status: error.status,
    retryable: false,
    cause: error,
  });
}

async function once(context: Context, upstream: Upstream, candidate: Candidate): Promise<AttemptReply> {
  const { runtime, record, snapshot, call } = context;
  const startedAtMs = runtime.monotonicMs();
  const note = (entry: { status?: number; failure?: string }) =>
    record.attempts.push({ target: candidate.id, ...entry, durationMs: runtime.monotonicMs() - startedAtMs });
  try {
    const reply = await upstream.breakers.run(candidate.id, snapshot.config.breaker, () =>
      attempt(upstream.egress, context, call, candidate, estimateInputTokens(call)),
    );
    note({ status: reply.status });
    return reply;
  } catch (error) {
    note({ failure: error instanceof AttemptFailure ? error.reason : 'cancelled' });
    if (error instanceof AttemptFailure && error.retryAfterMs !== undefined)
      upstream.coolDown(candidate.id, error.retryAfterMs);
    throw error;
  }
}

function toGatewayReply(context: Context, { candidate, reply }: Served, upstream: Upstream): GatewayReply {
  const { record, runtime, snapshot } = context;
  record.target = candidate.target.id;
  record.firstByteMs = runtime.monotonicMs() - context.arrivedAtMs;
  const headers = toReplyHeaders(context, reply.headers, candidate.target.provider, context.limitHeaders);
  if (reply.refused) return toRefusal(context, candidate, reply, headers);
  const inspector = reply.inspector;
  if (!reply.rest) {
    const bytes = rewriteResultsUrl(context, reply.bytes ?? new Uint8Array(0));
    const usage = inspector.usage();
    return toReply(reply.status, headers, bytes, { kind: 'complete', ...(usage && { usage }) });
  }
  const { relay } = snapshot.config;
  const body = new Relay(reply.rest, {
    first: reply.bytes,
    inspector,
    drain: relay.onDisconnect === 'drain' ? (rest) => upstream.drainer.take(rest, relay.drain) : undefined,
  });
  return { status: reply.status, headers, body, outcome: body.outcome };
}

/** The provider's own word on a bad request, in the dialect it was asked in, with nothing secret in it. */
function toRefusal(
  context: Context,
  { credential }: Candidate,
  reply: AttemptReply,
  headers: ReturnType<typeof toReplyHeaders>,
): GatewayReply {
  const text = reply.bytes && scrub(new TextDecoder().decode(reply.bytes), credential);
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
