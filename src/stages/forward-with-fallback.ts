import type { Arrival, Authorized, Identified, Received, Reserved, Routed } from '../context.ts';
import { dialectByName } from '../dialects/index.ts';
import { GatewayError } from '../errors.ts';
import type { Account } from '../limits/account.ts';
import type { UpstreamHolds } from '../limits/upstream-holds.ts';
import type { GatewayReply } from '../message.ts';
import type { Stage } from '../pipeline.ts';
import { toReply } from '../reply.ts';
import { noteTarget } from '../telemetry/record.ts';
import type { AttemptReply } from '../upstream/attempt.ts';
import { EventInspector } from '../upstream/event-inspector.ts';
import { AttemptFailure } from '../upstream/failure.ts';
import { Forwarding } from '../upstream/forwarding.ts';
import { replyPatiently } from '../upstream/patient-reply.ts';
import { Relay } from '../upstream/relay.ts';
import { toReplyHeaders } from '../upstream/reply-headers.ts';
import { ReplyOnItsWay } from '../upstream/reply-on-its-way.ts';
import { StreamRescuer, splicerMaker } from '../upstream/rescuer.ts';
import { rewriteResultsUrl } from '../upstream/results-url.ts';
import { scrub } from '../upstream/scrub.ts';
import { timeLimitsOf } from '../upstream/time-limits.ts';
import type { Served } from '../upstream/trial.ts';
import type { Upstream } from '../upstream/upstream.ts';

type Context = Arrival &
  Identified &
  Received &
  Authorized &
  Reserved &
  Routed & {
    /** What the request holds of its limits; absent if none apply. @internal */
    readonly account?: Account | undefined;
    /** What attempts hold of the limits of providers; absent if no provider has any. @internal */
    readonly upstreamHolds?: UpstreamHolds | undefined;
  };

/**
 * Sends the call to the plan's candidates until one answers, and relays the answer. The plan's `forwarding`
 * says what follows a failure: another candidate is asked at once, the same one after a pause. The head of a stream is
 * sent with its first content, so that until then everything can still be tried elsewhere.
 *
 * @throws GatewayError the last attempt's error; `caller_gone` when the caller left; `upstream_timeout` when the
 *   request runs out of time; `no_target_available` and `rate_limited` when no candidate may be asked.
 */
export function forwardWithFallback(options: { readonly upstream: Upstream }): Stage<Context, never> {
  const { upstream } = options;
  return {
    name: 'forwardWithFallback',
    inStep: true,
    run(context) {
      if (upstream.refusal) throw upstream.refusal;
      const forwarding = new Forwarding(context, upstream, timeLimitsOf(context));
      const reply = forwarding.serve(context.call).then(
        (served) => toGatewayReply(context, served, forwarding, upstream),
        (error: unknown) => {
          if (forwarding.mayHaveCost) context.account?.countInput();
          if (error instanceof AttemptFailure && error.refusal) return toRefusal(context, error.refusal);
          throw error;
        },
      );
      return context.plan.forwarding.commit === 'complete' && speaksEvents(context)
        ? patiently(context, forwarding, reply)
        : reply;
    },
  };
}

/** Whether the caller gets server-sent events: only they have comments. */
function speaksEvents({ call }: Context): boolean {
  return call.stream && (call.endpoint.family !== 'gemini' || /[?&]alt=sse\b/.test(call.query));
}

function patiently(context: Context, forwarding: Forwarding, reply: Promise<GatewayReply>) {
  const { id, endpoint, runtime, snapshot, limitHeaders } = context;
  return replyPatiently(reply, {
    requestId: id,
    dialect: dialectByName[endpoint.dialect],
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-request-id': id,
      'request-id': endpoint.family === 'anthropic' ? id : undefined,
      ...limitHeaders,
    },
    everyMs: snapshot.config.relay.keepAliveMs,
    runtime,
    giveUp: () => forwarding.interrupt(new GatewayError('caller_gone', 'The caller closed the connection.')),
  });
}

function toGatewayReply(
  context: Context,
  { candidate, reply, passage }: Served,
  forwarding: Forwarding,
  upstream: Upstream,
): GatewayReply {
  const { record, runtime, snapshot } = context;
  context.upstreamHolds?.serve(passage.hold);
  noteTarget(record, candidate);
  record.firstByteMs = runtime.monotonicMs() - context.arrivedAtMs;
  const { provider } = candidate.target;
  const headers = toReplyHeaders(context, reply.headers, provider, context.limitHeaders, reply.secret);
  const { inspector, rest } = reply;
  if (!rest) {
    forwarding.end();
    passage.health.end();
    passage.observed.onEnd({ ok: true });
    context.call.memory?.end();
    const bytes = rewriteResultsUrl(context, reply.bytes ?? new Uint8Array(0));
    const usage = inspector.usage();
    return toReply(reply.status, headers, bytes, usage ? { kind: 'complete', usage } : complete);
  }
  const { relay } = snapshot.config;
  const makeSplicer = inspector instanceof EventInspector ? splicerMaker(context, candidate) : undefined;
  const body = new Relay(
    { body: rest.body, chunks: rest.chunks, inspector, first: reply.bytes, passage },
    new ReplyOnItsWay({
      forwarding,
      inspector,
      record,
      rescuer: makeSplicer && new StreamRescuer(context, forwarding, makeSplicer, relay.rescueBytes),
      drainer: relay.onDisconnect === 'drain' ? upstream.drainer : undefined,
      drain: relay.drain,
    }),
  );
  forwarding.replyWith(body, makeSplicer !== undefined);
  const { memory } = context.call;
  // a rescue needs it again
  if (!makeSplicer) memory?.end();
  else if (memory) void body.outcome.then(() => memory.end());
  context.account?.watch(body);
  context.upstreamHolds?.watch(body);
  return { status: reply.status, headers, body, outcome: body.outcome };
}

const complete = { kind: 'complete' } as const;

/** The provider's own answer to a bad request, in the dialect it was asked in, without secrets. */
function toRefusal(context: Context, reply: AttemptReply): GatewayReply {
  context.call.memory?.end();
  const candidate = context.plan.candidates.find(({ id }) => id === context.record.attempts.at(-1)?.target);
  const sent = candidate ? Object.values(candidate.target.provider.headers) : [];
  const text = reply.bytes && scrub(new TextDecoder().decode(reply.bytes), reply.secret, sent);
  if (text === undefined || !candidate) {
    throw new GatewayError(
      'upstream_error',
      `The provider refused the request (status ${reply.status}) without saying why.`,
      { status: reply.status, retryable: false },
    );
  }
  const { provider } = candidate.target;
  const headers = toReplyHeaders(context, reply.headers, provider, context.limitHeaders, reply.secret);
  noteTarget(context.record, candidate);
  context.record.upstreamError = `status ${reply.status}`;
  return toReply(
    reply.status,
    { ...headers, 'content-type': 'application/json', 'x-should-retry': 'false' },
    text,
    { kind: 'refused', errorCode: 'upstream_error' },
  );
}
