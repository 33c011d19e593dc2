/**
 * What must not compile. The type check of the project covers this file: an expected error that does not come is an
 * error itself.
 */
import {
  type Arrival,
  attribute,
  authorizeModel,
  createMemoryLedger,
  createMemorySink,
  createPipeline,
  createRuntime,
  forwardWithFallback,
  type GatewayReply,
  type KeyResolver,
  listModels,
  rateLimit,
  readCall,
  resolveKey,
  route,
  type Stage,
  toReply,
  type Upstream,
} from 'headgate';

declare const resolver: KeyResolver;
declare const upstream: Upstream;
const ledger = createMemoryLedger(createRuntime());
const sink = createMemorySink();
const begin = () => createPipeline<Arrival>().use(attribute({ sink }));
const called = () => begin().use(resolveKey({ resolver })).use(readCall());

// in order it compiles, with and without the stages that add nothing others need
called()
  .use(listModels())
  .use(authorizeModel())
  .use(rateLimit({ ledger }))
  .use(route())
  .end(forwardWithFallback({ upstream }));
called().use(authorizeModel()).use(route()).use(rateLimit({ ledger })).end(forwardWithFallback({ upstream }));

// @ts-expect-error the body is not read before the caller is known
begin().use(readCall());

// @ts-expect-error route needs the model that authorizeModel adds
called().use(route());

// @ts-expect-error authorizeModel needs the call that readCall adds
begin().use(resolveKey({ resolver })).use(authorizeModel());

// @ts-expect-error rateLimit needs the model
called().use(rateLimit({ ledger }));

called()
  .use(authorizeModel())
  .use(rateLimit({ ledger }))
  // @ts-expect-error forwardWithFallback needs the plan that route adds
  .end(forwardWithFallback({ upstream }));

called()
  .use(authorizeModel())
  .use(route())
  // @ts-expect-error forwardWithFallback needs what rateLimit adds, so that limits are not left out by accident
  .end(forwardWithFallback({ upstream }));

// the terminal stage has no next to call, so it cannot stand in the middle
const whole = called().use(authorizeModel()).use(rateLimit({ ledger })).use(route());
// @ts-expect-error it cannot
whole.use(forwardWithFallback({ upstream }));

// @ts-expect-error a stage that hands facts to next cannot be the last
called().use(authorizeModel()).end(route());

const forgetful: Stage<object, object> = {
  name: 'forgetful',
  // @ts-expect-error what next gave must be returned
  async run(_context, next) {
    await next({});
  },
};

const lazy: Stage<object, { tenant: string }> = {
  name: 'lazy',
  // @ts-expect-error the facts that a stage adds must be handed to next
  run: (_context, next) => next({}),
};

const nosy: Stage<Arrival, object> = {
  name: 'nosy',
  run(context, next) {
    // @ts-expect-error a stage sees only what it says it needs
    context.principal.key;
    // @ts-expect-error facts are passed on, never written into the context
    context.id = 'mine';
    return next({});
  },
};

const needsTenant: Stage<{ tenant: string }, object> = {
  name: 'needsTenant',
  run: (_context, next) => next({}),
};
const addsTenant: Stage<object, { tenant: string }> = {
  name: 'addsTenant',
  run: (_context, next) => next({ tenant: 'acme' }),
};
const answers: Stage<object, never> = { name: 'answers', run: async () => toReply(200, {}, '') };

begin().use(addsTenant).use(needsTenant).end(answers);

// @ts-expect-error nobody adds the tenant
begin().use(needsTenant);

// @ts-expect-error it is added too late
begin().use(needsTenant).use(addsTenant);

const addsNumber: Stage<object, { tenant: number }> = {
  name: 'addsNumber',
  run: (_context, next) => next({ tenant: 1 }),
};
// @ts-expect-error the tenant is of another type
begin().use(addsNumber).use(needsTenant);

// @ts-expect-error an open pipeline cannot be run
begin().run({} as Arrival);

// @ts-expect-error a pipeline is run with what it was made for
begin().end(answers).run({ id: 'x' });

const reply: Promise<GatewayReply> = begin()
  .end(answers)
  .run({} as Arrival);

export { forgetful, lazy, nosy, reply };
