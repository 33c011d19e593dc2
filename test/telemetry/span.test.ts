import {
  context,
  propagation,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { type Arrival, createDefaultPipeline, createPipeline, nothing, type Stage } from 'headgate';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { chat, readJson, readText, startGateway, until } from '../harness.ts';
import { registerTracer } from './tracer.ts';

let tracer: ReturnType<typeof registerTracer>;
beforeEach(() => {
  tracer = registerTracer();
});
afterEach(() => tracer.remove());

const traceId = '0af7651916cd43dd8448eb211c80319c';
const callerSpan = 'b7ad6b7169203331';

describe('the span of a request', () => {
  it('costs nobody anything when its exporter throws: the reply and the record are the same', async () => {
    tracer.remove();
    tracer = registerTracer(() => {
      throw new Error('the exporter is broken');
    });
    const { gateway, send } = await startGateway();
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    expect((await send('/v1/chat/completions', chat({ model: 'none' }))).status).toBe(404);
    await until(() => gateway.records.length === 2);
    expect(tracer.spans.map(({ ends }) => ends)).toEqual([1, 1]);
  });

  it('costs nobody anything when what reads the headers of a trace throws', async () => {
    const reading = vi.spyOn(propagation, 'extract').mockImplementation(() => {
      throw new Error('the propagator is broken');
    });
    onTestFinished(() => reading.mockRestore());
    const { gateway, send } = await startGateway();
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    await until(() => gateway.records.length === 1);
  });

  it('is one server span in the words of the GenAI conventions, ended once', async () => {
    const { send, record } = await startGateway();
    const reply = await send('/v1/chat/completions', chat());
    const { usage } = await readJson(reply);
    await until(() => tracer.spans[0]?.ends === 1);
    expect(tracer.spans).toHaveLength(1);
    expect(tracer.spans[0]).toMatchObject({
      name: 'chat gpt-4.1',
      kind: SpanKind.SERVER,
      parentId: undefined,
      ends: 1,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': 'gpt-4.1',
        'gen_ai.usage.input_tokens': usage.prompt_tokens,
        'gen_ai.usage.output_tokens': usage.completion_tokens,
        'http.response.status_code': 200,
        'headgate.request.id': reply.headers['x-request-id'],
        'headgate.outcome': 'complete',
        'headgate.attempts': 1,
        'headgate.key': record.kid,
        'headgate.team': 'payments',
        'headgate.project': 'checkout',
        'headgate.user': 'ada',
        'headgate.target': 'openai/gpt-4.1',
      },
    });
    expect(tracer.spans[0]?.status).toBeUndefined();
  });

  it("is a child of the caller's traceparent, and a root of its own without a usable one", async () => {
    const { send } = await startGateway();
    await send('/v1/chat/completions', chat(), {
      headers: { traceparent: `00-${traceId}-${callerSpan}-01` },
    });
    await send('/v1/chat/completions', chat(), { headers: { traceparent: 'nonsense' } });
    expect(tracer.spans.map((span) => [span.traceId === traceId, span.parentId])).toEqual([
      [true, callerSpan],
      [false, undefined],
    ]);
  });

  it('is a child of the span that the host has around the call where that is of the same trace', async () => {
    const { send } = await startGateway();
    const sendIn = (spanContext: SpanContext) =>
      context.with(trace.setSpanContext(ROOT_CONTEXT, spanContext), () =>
        send('/v1/chat/completions', chat(), {
          headers: { traceparent: `00-${traceId}-${callerSpan}-01` },
        }),
      );
    const around = { spanId: 'a'.repeat(16), traceFlags: TraceFlags.SAMPLED };
    await sendIn({ ...around, traceId });
    await sendIn({ ...around, traceId: 'b'.repeat(32) });
    expect(tracer.spans.map((span) => span.parentId)).toEqual(['a'.repeat(16), callerSpan]);
  });

  it('that nobody records is there all the same for what is started in it: no trace of its own begins', async () => {
    const seen: (string | undefined)[] = [];
    const when = () => {
      seen.push(trace.getActiveSpan()?.spanContext().traceId);
      return false;
    };
    const { send } = await startGateway((config) => ({
      ...config,
      routes: [{ name: 'a', match: { when } }],
    }));
    await readText(
      await send('/v1/chat/completions', chat(), {
        headers: { traceparent: `00-${traceId}-${callerSpan}-00` },
      }),
    );
    expect([seen, tracer.spans]).toEqual([[traceId], []]);
  });

  it('is there from the first request on that comes after a tracer was registered', async () => {
    tracer.remove();
    const { send } = await startGateway();
    await readText(await send('/v1/chat/completions', chat()));
    expect(tracer.spans).toHaveLength(0);
    tracer = registerTracer();
    await readText(await send('/v1/chat/completions', chat()));
    expect(tracer.spans).toHaveLength(1);
  });

  it('is active while the stages run, so that what they start becomes its child', async () => {
    const active: (string | undefined)[] = [];
    const look: Stage<object, object> = {
      name: 'look',
      async run(_context, next) {
        active.push(trace.getActiveSpan()?.spanContext().spanId);
        await Promise.resolve();
        active.push(trace.getActiveSpan()?.spanContext().spanId);
        return next(nothing);
      },
    };
    const { send } = await startGateway(undefined, {
      keyResolver: {
        resolve: () => {
          active.push(trace.getActiveSpan()?.spanContext().spanId);
          throw new Error('enough');
        },
        forget: () => undefined,
        forgetAll: () => undefined,
      },
      pipeline: (parts) => {
        const inner = createDefaultPipeline(parts);
        return createPipeline<Arrival>()
          .use(look)
          .end({ name: 'inner', run: (context) => inner.run(context) });
      },
    });
    await send('/v1/chat/completions', chat());
    expect(active).toEqual([undefined, undefined, tracer.spans[0]?.id]);
  });

  it('of a stream ends with the stream, not with its headers', async () => {
    const { send } = await startGateway();
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    expect(tracer.spans[0]?.ends).toBe(0);
    await readText(reply);
    await until(() => tracer.spans[0]?.ends === 1);
    expect(tracer.spans[0]?.attributes['gen_ai.usage.output_tokens']).toBeGreaterThan(0);
  });

  it('of an outage has the error as its status, and of a refusal only as an attribute', async () => {
    const { send, upstream } = await startGateway((config) => ({ ...config, retry: { maxAttempts: 1 } }));
    upstream.fail({ kind: 'status', status: 500 });
    await send('/v1/chat/completions', chat());
    upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 3 });
    await readText(await send('/v1/chat/completions', chat({ stream: true })));
    await send('/v1/chat/completions', chat({ model: 'none' }));
    await send('/v1/chat/completions', chat(), { key: 'nonsense' });
    await until(() => tracer.spans.every(({ ends }) => ends === 1));
    expect(tracer.spans.map(({ status, attributes }) => [status?.code, attributes['error.type']])).toEqual([
      [SpanStatusCode.ERROR, 'upstream_error'],
      [SpanStatusCode.ERROR, 'upstream_unreachable'],
      [undefined, 'model_not_found'],
      [undefined, 'invalid_key'],
    ]);
    expect(JSON.stringify(tracer.spans)).not.toContain('nonsense');
  });

  it('holds no secret and no text of a prompt or a reply', async () => {
    const { send, key } = await startGateway(undefined, {}, { reply: () => ({ text: 'canary-reply' }) });
    await readText(
      await send('/v1/chat/completions', chat({ messages: [{ role: 'user', content: 'canary-prompt' }] })),
    );
    const shown = JSON.stringify(tracer.spans);
    expect(shown).not.toContain('canary');
    expect(shown).not.toContain(key.slice(-20));
    expect(shown).not.toContain('sk-upstream');
  });
});
