import type { Span, Tracer } from '@opentelemetry/api';
import type { Arrival } from '../context.ts';
import { openTelemetry } from './open-telemetry.ts';
import type { RequestRecord } from './record.ts';

type OpenTelemetry = typeof import('@opentelemetry/api');

/** A span around one request. */
export interface RequestSpan {
  /** Runs the rest of the pipeline inside the span, so that what it starts becomes its child. */
  run<Result>(action: () => Promise<Result>): Promise<Result>;
  end(record: RequestRecord): void;
}

const silent: RequestSpan = { run: (action) => action(), end: () => undefined };

/**
 * Creates what starts the server span of a request, as a child of the caller's `traceparent`, or of the host's span in
 * that trace. Names follow OpenTelemetry's GenAI semantic conventions. Without a registered tracer provider it costs
 * next to nothing.
 */
export function createSpans(): (arrival: Arrival) => RequestSpan | Promise<RequestSpan> {
  let tracer: Tracer | undefined;
  const start = (api: OpenTelemetry | undefined, arrival: Arrival): RequestSpan => {
    if (!api) return silent;
    try {
      tracer ??= api.trace.getTracer('headgate');
      return startSpan(api, tracer, arrival);
    } catch {
      // tracing must not make a request fail
      return silent;
    }
  };
  return (arrival) => {
    const api = openTelemetry('trace');
    return api instanceof Promise ? api.then((api) => start(api, arrival)) : start(api, arrival);
  };
}

function startSpan(api: OpenTelemetry, tracer: Tracer, { endpoint, request }: Arrival): RequestSpan {
  const { context, propagation, SpanKind, trace } = api;
  const active = context.active();
  const named = propagation.extract(active, request.headers);
  // the host's span in the same trace is nearer
  const caller =
    trace.getSpanContext(named)?.traceId === trace.getSpanContext(active)?.traceId ? active : named;
  const span = tracer.startSpan(endpoint.operation, { kind: SpanKind.SERVER }, caller);
  // even if it is not recorded: spans started without it would be sampled again
  const inside = trace.setSpan(caller, span);
  return {
    run: (action) => context.with(inside, action),
    end(record) {
      if (span.isRecording()) describe(span, record, api);
      span.end();
    },
  };
}

function describe(span: Span, record: RequestRecord, { SpanStatusCode }: OpenTelemetry): void {
  if (record.requestedModel !== undefined) span.updateName(`${record.operation} ${record.requestedModel}`);
  span.setAttributes({
    'gen_ai.operation.name': record.operation,
    'http.response.status_code': record.status,
    'headgate.request.id': record.id,
    'headgate.outcome': record.outcome,
    'headgate.attempts': record.attempts.length,
    'gen_ai.request.model': record.requestedModel,
    'gen_ai.usage.input_tokens': record.usage?.inputTokens,
    'gen_ai.usage.output_tokens': record.usage?.outputTokens,
    'headgate.key': record.key,
    'headgate.team': record.team,
    'headgate.project': record.project,
    'headgate.user': record.user,
    'headgate.run': record.run,
    'headgate.target': record.target,
    'headgate.degraded': record.degraded,
    'error.type': record.errorCode,
  });
  // a stream that broke had begun with 200
  if (record.outcome === 'failed' && (record.status < 400 || record.status >= 500))
    span.setStatus({ code: SpanStatusCode.ERROR, message: record.errorCode ?? '' });
}
