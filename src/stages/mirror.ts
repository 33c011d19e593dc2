import type { MirrorRule, Model, Policy, Route } from '../config/snapshot.ts';
import type { Arrival, Authorized, Identified, Received, Routed } from '../context.ts';
import type { Operation } from '../dialects/endpoint.ts';
import { isGatewayError } from '../errors.ts';
import type { GatewayReply, GatewayRequest, Outcome } from '../message.ts';
import { createPipeline, nothing, type Stage } from '../pipeline.ts';
import { candidatesOf } from '../routing/credential-order.ts';
import { forwardingOf, type Plan } from '../routing/plan.ts';
import { residencyOf } from '../routing/residency.ts';
import type { Runtime } from '../runtime.ts';
import { createDraft, type RecordDraft } from '../telemetry/record.ts';
import type { UsageSink } from '../telemetry/sink.ts';
import type { Drainer } from '../upstream/drain.ts';
import { mirrorMark } from '../upstream/health/healths.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { attribute } from './attribute.ts';
import { forwardWithFallback } from './forward-with-fallback.ts';
import { type RateLimitOptions, rateLimit } from './rate-limit.ts';

type Context = Arrival & Identified & Received & Authorized;

/** Options of `createMirrors`. */
export interface MirrorOptions {
  /** Where the budget of copies is kept. */
  readonly limits: RateLimitOptions;
  /** Where their records go. */
  readonly sink: UsageSink;
  readonly upstream: Upstream;
  readonly runtime: Runtime;
  /** Called with bugs, never with refusals. @default ignored */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Sends copies of requests elsewhere, after the fact. Nothing of it reaches the caller. */
export interface Mirrors {
  /** Makes a route's copy once the reply is whole, if it is its turn, there is room and the budget allows it. */
  follow(context: Context, route: Route, reply: Promise<GatewayReply>): void;
  /** Copies that wait for the reply, or run. */
  readonly running: number;
  /** What happened to the copies so far, by route name. */
  report(): Readonly<Record<string, MirrorReport>>;
  /** Ends all copies and makes no more. */
  close(): Promise<void>;
}

/** What happened to the copies of a route. */
export interface MirrorReport {
  /** Those that their budget let pass, and how many of these failed: at their target, or because it is left alone. */
  readonly sent: number;
  readonly failed: number;
  /** Not made, because `maxConcurrent` others were waiting or running. */
  readonly full: number;
  /** Refused by their budget. */
  readonly refused: number;
}

type Counts = { -readonly [Name in keyof MirrorReport]: number };

/** Calls to a model; reading, counting and storing are not copied. */
const copied: ReadonlySet<Operation> = new Set([
  'chat',
  'completion',
  'response',
  'message',
  'generate-content',
  'embedding',
  'embed-content',
]);

/** One for each gateway: it counts running copies. */
export function createMirrors({ limits, sink, upstream, runtime, onError }: MirrorOptions): Mirrors {
  // a copy that its budget refuses leaves no record: it was never sent
  const pipeline = createPipeline<Context & Routed & Counted>()
    .use(rateLimit(limits))
    .use(noteSent)
    .use(attribute({ sink }) as Stage<Context & Routed, object>)
    .end(forwardWithFallback({ upstream: withoutDrainer(upstream) }));
  const states = new WeakMap<MirrorRule, { running: number; due: number; readonly policy: Policy }>();
  const counts = new Map<string, Counts>();
  const copies = new Map<AbortController, Promise<void>>();
  let running = 0;
  let isClosed = false;

  async function send(context: Context, plan: Plan, route: string, rule: MirrorRule, policy: Policy) {
    const controller = new AbortController();
    const cancel = runtime.schedule(rule.timeoutMs, () =>
      controller.abort(new Error('The copy of a request took longer than its route permits.')),
    );
    const own = countsOf(counts, route);
    let isSent = false;
    const onSent = () => {
      isSent = true;
      own.sent++;
    };
    const copy = run({ ...context, onSent }, plan, route, policy, controller.signal).then(
      (kind) => {
        if (kind !== 'complete') own.failed++;
      },
      (error: unknown) => {
        if (isSent) own.failed++;
        else own.refused++;
        if (!isGatewayError(error) && !controller.signal.aborted) onError?.(error);
      },
    );
    copies.set(controller, copy);
    await copy;
    cancel();
    copies.delete(controller);
  }

  async function run(
    context: Context & Counted,
    plan: Plan,
    route: string,
    policy: Policy,
    signal: AbortSignal,
  ): Promise<Outcome['kind']> {
    const { body, outcome } = await pipeline.run({
      ...withoutAccount(context),
      id: runtime.newId(),
      request: toCopy(context.request, context.call.body, signal),
      arrivedAtMs: runtime.monotonicMs(),
      record: toRecord(context, route),
      policy,
      model: withPrice(context.model as Model, plan),
      plan,
    });
    if (!(body instanceof Uint8Array)) await readOut(body, signal);
    return (await outcome).kind;
  }

  return {
    get running() {
      return running;
    },
    report: () => Object.fromEntries(counts),
    follow(context, route, reply) {
      const rule = route.mirror;
      if (!rule || isClosed || !context.model || !copied.has(context.call.endpoint.operation)) return;
      const plan = toPlan(context, route, rule);
      if (!plan) return;
      let state = states.get(rule);
      if (!state) {
        state = { running: 0, due: 0, policy: toPolicy(context.policy, rule) };
        states.set(rule, state);
      }
      state.due += rule.share;
      // rounding leaves sums of shares such as 0.1 short of 1
      if (state.due < 1 - 1e-9) return;
      state.due -= 1;
      if (state.running >= rule.maxConcurrent) {
        countsOf(counts, route.name).full++;
        return;
      }
      context.call.memory?.keep();
      const own = state;
      own.running++;
      running++;
      void reply
        .then(({ outcome }) => outcome)
        .then(({ kind }) =>
          kind === 'complete' && !isClosed ? send(context, plan, route.name, rule, own.policy) : undefined,
        )
        // the caller hears of its own failure
        .catch(() => undefined)
        .finally(() => {
          own.running--;
          running--;
        });
    },
    async close() {
      isClosed = true;
      for (const controller of copies.keys()) controller.abort(new Error('This gateway is shutting down.'));
      await Promise.all(copies.values());
    },
  };
}

/** A copy ends when its time is over or the gateway closes: the rest is not drained for its usage. */
function withoutDrainer(upstream: Upstream): Upstream {
  return Object.create(upstream, { drainer: { value: { take: () => false } satisfies Drainer } });
}

/** Nobody wants it: it is read for its usage and its time. */
async function readOut(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  const chunks = body[Symbol.asyncIterator]();
  signal.addEventListener('abort', () => void chunks.return?.(), { once: true });
  if (signal.aborted) await chunks.return?.();
  while (!(await chunks.next()).done);
}

interface Counted {
  readonly onSent: () => void;
}

/** Comes after the budget: what gets here is sent. */
const noteSent: Stage<Counted, object> = {
  name: 'noteSent',
  run({ onSent }, next) {
    onSent();
    return next(nothing);
  },
};

function countsOf(counts: Map<string, Counts>, route: string): Counts {
  let found = counts.get(route);
  if (!found) {
    found = { sent: 0, failed: 0, full: 0, refused: 0 };
    counts.set(route, found);
  }
  return found;
}

/** Where a copy goes; undefined if it may not. The gateway pays for it, never a caller. */
function toPlan(
  { model, call, policy, snapshot }: Context,
  route: Route,
  rule: MirrorRule,
): Plan | undefined {
  const target = rule.target.for(model);
  if (target.provider.provider.family !== call.endpoint.family) return undefined;
  const residency = residencyOf(policy, route);
  const candidates = candidatesOf(target)
    .filter(({ credential }) => residency?.permits(target, credential) ?? true)
    // separate from the attempts of callers: failures here must not open a breaker there
    .map((candidate) => ({ ...candidate, id: `${candidate.id}${mirrorMark}` }));
  if (candidates.length === 0) return undefined;
  const forwarding = { ...forwardingOf(snapshot), maxAttempts: 1, rescue: [], hedgeAfterMs: undefined };
  return { candidates, forwarding, arm: target.arm };
}

/** The caller's policy, except for what is counted and who pays. */
function toPolicy(policy: Policy, { limits }: MirrorRule): Policy {
  return { ...policy, limits, clampOutput: false, billing: 'standard', ownBudget: undefined };
}

/** A copy must not report to what the request holds of its limits, nor use up the budget of its run. */
function withoutAccount<Of extends Context>(context: Of): Of {
  const { run } = context.record;
  const hostRun = run === undefined ? undefined : { id: run };
  return { ...context, account: undefined, upstreamHolds: undefined, hostRun };
}

function withPrice(model: Model, { candidates }: Plan): Model {
  return { ...model, price: candidates[0]?.target.price ?? model.price, maxCostNanoUsd: undefined };
}

function toCopy(request: GatewayRequest, body: Uint8Array, signal: AbortSignal): GatewayRequest {
  const { method, path, query, headers } = request;
  // with the same key a provider would repeat its first reply
  const { 'idempotency-key': _key, ...others } = headers;
  return { method, path, query, headers: others, signal, readBody: async () => body };
}

function toRecord({ id, record }: Context, route: string): RecordDraft {
  const { key, team, project, user, application, labels, metadata } = record;
  const { requestedModel, model, stream, requestBytes } = record;
  return Object.assign(createDraft(), {
    ...{ key, team, project, user, application, labels, metadata },
    ...{ requestedModel, model, stream, requestBytes },
    billing: 'standard',
    route,
    mirrorOf: id,
  } as Partial<RecordDraft>);
}
