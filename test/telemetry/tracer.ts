import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Attributes,
  type Context,
  type ContextManager,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  TraceFlags,
  trace,
} from '@opentelemetry/api';

/** A span as the test sees it. */
export interface SeenSpan {
  name: string;
  readonly kind: number | undefined;
  readonly parentId: string | undefined;
  readonly traceId: string;
  readonly id: string;
  readonly attributes: Attributes;
  status?: { code: number; message?: string };
  ends: number;
}

const format = /^00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])$/;

/** Registers a tracer, a context manager and a W3C propagator that keep what they are told; `remove` takes them out. */
export function registerTracer(onEnd: () => void = () => undefined) {
  const spans: SeenSpan[] = [];
  const startSpan = (
    name: string,
    options: SpanOptions = {},
    parentContext: Context = context.active(),
  ): Span => {
    const parent = trace.getSpanContext(parentContext);
    // as the usual sampler: what the caller does not record is not recorded here
    if (parent?.traceFlags === TraceFlags.NONE) return trace.wrapSpanContext(parent);
    const seen: SeenSpan = {
      name,
      kind: options.kind,
      parentId: parent?.spanId,
      traceId: parent?.traceId ?? 'f'.repeat(32),
      id: (spans.length + 1).toString(16).padStart(16, '0'),
      attributes: {},
      ends: 0,
    };
    spans.push(seen);
    const span = {
      spanContext: () => ({ traceId: seen.traceId, spanId: seen.id, traceFlags: TraceFlags.SAMPLED }),
      isRecording: () => true,
      updateName(updated: string) {
        seen.name = updated;
        return span;
      },
      setAttribute(key: string, value: string) {
        seen.attributes[key] = value;
        return span;
      },
      setAttributes(values: Attributes) {
        Object.assign(seen.attributes, values);
        return span;
      },
      setStatus(status: { code: number }) {
        seen.status = status;
        return span;
      },
      end() {
        seen.ends++;
        onEnd();
      },
      addEvent: () => span,
      addLink: () => span,
      addLinks: () => span,
      recordException: () => undefined,
    } as unknown as Span;
    return span;
  };
  trace.setGlobalTracerProvider({
    getTracer: () => ({
      startSpan,
      startActiveSpan: () => {
        throw new Error('not used');
      },
    }),
  });
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, action, self, ...given) => storage.run(active, () => action.apply(self as never, given)),
    bind: (_context, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  context.setGlobalContextManager(manager);
  propagation.setGlobalPropagator({
    inject: () => undefined,
    fields: () => ['traceparent'],
    extract(onto, carrier, getter) {
      const [, traceId, spanId, flags] = format.exec(String(getter.get(carrier, 'traceparent'))) ?? [];
      return traceId && spanId
        ? trace.setSpanContext(onto, { traceId, spanId, traceFlags: Number(flags), isRemote: true })
        : onto;
    },
  });
  const remove = () => {
    trace.disable();
    context.disable();
    propagation.disable();
  };
  return { spans, remove };
}
