import {
  type Arrival,
  attribute,
  authorizeModel,
  createDefaultPipeline,
  createPipeline,
  forwardWithFallback,
  GatewayError,
  type GatewayReply,
  type Identified,
  nothing,
  rateLimit,
  readCall,
  resolveKey,
  route,
  type Stage,
  toReply,
} from 'headgate';
import { describe, expect, it } from 'vitest';
import { chat, readJson, readText, startGateway, until } from './harness.ts';

interface Start {
  readonly value: number;
}

const answer: Stage<object, never> = { name: 'answer', run: async () => toReply(200, {}, 'answer') };
const add = <Facts extends object>(name: string, facts: Facts): Stage<object, Facts> => ({
  name,
  run: (_context, next) => next(facts),
});
const text = (reply: GatewayReply) => new TextDecoder().decode(reply.body as Uint8Array);

describe('a pipeline', () => {
  it('runs its stages in order, hands each what the ones before it added, and returns what the last one gave', async () => {
    const seen: unknown[] = [];
    const look: Stage<object, object> = {
      name: 'look',
      run(context, next) {
        seen.push(context);
        return next(nothing);
      },
    };
    const pipeline = createPipeline<Start>()
      .use(look)
      .use(add('one', { one: 1 }))
      .use(look)
      .use(add('two', { two: 2 }))
      .use(look)
      .end(answer);
    expect(pipeline.stages).toEqual(['look', 'one', 'look', 'two', 'look', 'answer']);
    expect(text(await pipeline.run({ value: 7 }))).toBe('answer');
    expect(seen).toEqual([{ value: 7 }, { value: 7, one: 1 }, { value: 7, one: 1, two: 2 }]);
  });

  it('begins a stage that is in step when all runs that came together are through what stands before it', async () => {
    const log: string[] = [];
    const note = (name: string, inStep: boolean): Stage<Start, object> => ({
      name,
      inStep,
      run({ value }, next) {
        log.push(`${name} ${value}`);
        return next(nothing);
      },
    });
    const pipeline = createPipeline<Start>()
      .use(note('one', false))
      .use(note('two', false))
      .use(note('three', true))
      .use(note('four', false))
      .end(answer);
    const runs = [1, 2].map((value) => pipeline.run({ value }));
    expect(log).toEqual(['one 1', 'two 1', 'one 2', 'two 2']);
    await Promise.all(runs);
    expect(log.slice(4)).toEqual(['three 1', 'four 1', 'three 2', 'four 2']);
  });

  it('never writes into the context: a stage before sees nothing of what a stage behind adds', async () => {
    const start = Object.freeze({ value: 1 });
    let first: object = {};
    await createPipeline<Start>()
      .use({
        name: 'first',
        async run(context: object, next: (facts: object) => Promise<GatewayReply>) {
          first = context;
          return next(Object.freeze({ own: true }));
        },
      })
      .use(add('later', { later: true }))
      .end(answer)
      .run(start);
    expect(first).toEqual({ value: 1 });
    expect(start).toEqual({ value: 1 });
  });

  it('lets a later stage decide a fact anew, for the stages behind it only', async () => {
    const seen: number[] = [];
    const note: Stage<Start, object> = {
      name: 'note',
      run({ value }, next) {
        seen.push(value);
        return next(nothing);
      },
    };
    await createPipeline<Start>()
      .use(note)
      .use(add('other', { value: 2 }))
      .use(note)
      .end(answer)
      .run({ value: 1 });
    expect(seen).toEqual([1, 2]);
  });

  it('lets a stage answer by itself: what stands behind it does not run', async () => {
    const pipeline = createPipeline<Start>()
      .use({ name: 'short', run: async () => toReply(204, {}, '') })
      .end({
        name: 'never',
        run: () => {
          throw new Error('ran');
        },
      });
    expect((await pipeline.run({ value: 1 })).status).toBe(204);
  });

  it('rejects with what a stage threw, whether it is async or not, and a stage before may answer for it', async () => {
    for (const run of [
      () => {
        throw new GatewayError('not_permitted', 'no');
      },
      async () => {
        throw new GatewayError('not_permitted', 'no');
      },
    ]) {
      const bad: Stage<object, never> = { name: 'bad', run };
      await expect(createPipeline<Start>().end(bad).run({ value: 1 })).rejects.toMatchObject({
        code: 'not_permitted',
      });
      const rescued = createPipeline<Start>()
        .use({
          name: 'rescue',
          async run(_context: object, next: (facts: object) => Promise<GatewayReply>) {
            return next(nothing).catch(() => toReply(200, {}, 'rescued'));
          },
        })
        .end(bad);
      expect(text(await rescued.run({ value: 1 }))).toBe('rescued');
    }
  });

  it('rejects, naming the stage, when one calls next a second time', async () => {
    let ends = 0;
    const pipeline = createPipeline<Start>()
      .use({
        name: 'twice',
        async run(_context: object, next: (facts: object) => Promise<GatewayReply>) {
          await next(nothing);
          return next(nothing);
        },
      })
      .end({
        name: 'end',
        async run() {
          ends++;
          return toReply(200, {}, '');
        },
      });
    await expect(pipeline.run({ value: 1 })).rejects.toThrow('Stage "twice" called next() more than once.');
    expect(ends).toBe(1);
  });

  it('rejects, naming the stage, when the last one calls next against its type', async () => {
    const pipeline = createPipeline<Start>().end({
      name: 'last',
      run: (_context, next) => (next as (facts: object) => Promise<GatewayReply>)({}),
    });
    await expect(pipeline.run({ value: 1 })).rejects.toThrow('Stage "last" ends the pipeline');
  });

  it('is immutable: a prefix can be shared, and runs know nothing of each other', async () => {
    const prefix = createPipeline<Start>().use(add('shared', { shared: true }));
    const one = prefix.use(add('one', {})).end(answer);
    const other = prefix.use(add('other', {})).end(answer);
    expect(prefix.end(answer).stages).toEqual(['shared', 'answer']);
    expect(one.stages).toEqual(['shared', 'one', 'answer']);
    expect(other.stages).toEqual(['shared', 'other', 'answer']);
    const replies = await Promise.all(Array.from({ length: 50 }, (_, value) => one.run({ value })));
    expect(replies).toHaveLength(50);
  });
});

describe('a gateway with a pipeline of its own', () => {
  interface Tenant {
    readonly tenant: string;
  }

  /** Takes the tenant from what the host application knows of the caller. */
  const tenantOfHost: Stage<Arrival & Identified, Tenant> = {
    name: 'tenantOfHost',
    async run({ request, record }, next) {
      const tenant = (request.host as { tenant?: string } | undefined)?.tenant;
      if (!tenant) throw new GatewayError('not_permitted', 'Sign in first.');
      record.labels = { ...record.labels, tenant };
      return next({ tenant });
    },
  };

  it('runs a custom stage between the built-in ones, with what they know and what the host passed', async () => {
    const seen: string[] = [];
    const useTenant: Stage<Tenant, object> = {
      name: 'useTenant',
      run({ tenant }, next) {
        seen.push(tenant);
        return next(nothing);
      },
    };
    const rows: unknown[] = [];
    const { send, upstream } = await startGateway(undefined, {
      sink: (record) => void rows.push(record.labels),
      pipeline: ({ keyResolver, sink, upstream, ledger }) =>
        createPipeline<Arrival>()
          .use(attribute({ sink }))
          .use(resolveKey({ resolver: keyResolver }))
          .use(tenantOfHost)
          .use(readCall())
          .use(authorizeModel())
          .use(rateLimit({ ledger }))
          .use(useTenant)
          .use(route())
          .end(forwardWithFallback({ upstream })),
    });
    expect((await send('/v1/chat/completions', chat(), { host: { tenant: 'acme' } })).status).toBe(200);
    const refused = await send('/v1/chat/completions', chat());
    expect([refused.status, (await readJson(refused)).error.code]).toEqual([403, 'not_permitted']);
    expect(seen).toEqual(['acme']);
    expect(upstream.requests).toHaveLength(1);
    await until(() => rows.length === 2);
    expect(rows).toEqual([{ tenant: 'acme' }, {}]);
  });

  it('may wrap the default pipeline, and answer without any provider', async () => {
    const { send, upstream, gateway } = await startGateway(undefined, {
      pipeline: (parts) => {
        const inner = createDefaultPipeline(parts);
        return createPipeline<Arrival>().end({
          name: 'maintenance',
          run: (context) =>
            context.request.headers['x-maintenance'] === undefined
              ? inner.run(context)
              : Promise.resolve(toReply(200, { 'content-type': 'text/plain' }, 'back soon')),
        });
      },
    });
    expect(
      await readText(await send('/v1/chat/completions', chat(), { headers: { 'x-maintenance': '1' } })),
    ).toBe('back soon');
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    expect(upstream.requests).toHaveLength(1);
    await until(() => gateway.records.length === 1);
  });

  it('answers 500 for a stage that calls next twice, tells onError, and sends the request once', async () => {
    const errors: unknown[] = [];
    const { send, upstream } = await startGateway(undefined, {
      onError: (error) => errors.push(error),
      pipeline: (parts) => {
        const inner = createDefaultPipeline(parts);
        return createPipeline<Arrival>()
          .use({
            name: 'eager',
            async run(_context: object, next: (facts: object) => Promise<GatewayReply>) {
              await next(nothing);
              return next(nothing);
            },
          })
          .end({ name: 'inner', run: (context) => inner.run(context) });
      },
    });
    const reply = await send('/v1/chat/completions', chat());
    expect([reply.status, (await readJson(reply)).error.code]).toEqual([500, 'internal_error']);
    expect(String(errors[0])).toContain('Stage "eager" called next() more than once.');
    expect(upstream.requests).toHaveLength(1);
  });

  it.each([
    ['at once', () => undefined],
    ['later', async () => undefined],
  ])('answers 500 for a stage without types that returns no reply, %s', async (_, run) => {
    const errors: unknown[] = [];
    const { send, gateway } = await startGateway(undefined, {
      onError: (error) => errors.push(error),
      pipeline: ({ sink }) =>
        createPipeline<Arrival>()
          .use(attribute({ sink }))
          .end({ name: 'silent', run: run as unknown as () => Promise<GatewayReply> }),
    });
    const reply = await send('/v1/chat/completions', chat());
    expect([reply.status, (await readJson(reply)).error.code]).toEqual([500, 'internal_error']);
    expect(String(errors[0])).toContain('returned no reply');
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ status: 500, errorCode: 'internal_error' });
    expect(gateway.health().requests.inFlight).toBe(0);
  });
});
