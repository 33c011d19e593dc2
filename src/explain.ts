import type { Resolution, Snapshot } from './config/snapshot.ts';
import type { Arrival, Authorized, Identified, Received, Reserved } from './context.ts';
import { matchEndpoint } from './dialects/endpoints.ts';
import { toGatewayError } from './errors.ts';
import { describePolicy, type Explanation } from './explanation.ts';
import type { Identity } from './identity/identity.ts';
import type { KeyResolver } from './keys/resolver.ts';
import type { Applied, LimitScope } from './limits/apply.ts';
import { estimateUsage } from './limits/estimate.ts';
import type { Ledger, LedgerScope, ScopeState } from './limits/ledger.ts';
import { costOf } from './limits/price.ts';
import type { RunScope, Runs } from './limits/run.ts';
import type { GatewayReply, GatewayRequest } from './message.ts';
import { createPipeline, nothing, type Stage } from './pipeline.ts';
import { toReply } from './reply.ts';
import { createRouter, type Router } from './routing/router.ts';
import { stateOf } from './routing/target-state.ts';
import { withStates } from './routing/trace.ts';
import type { Runtime } from './runtime.ts';
import type { Vault } from './secrets/vault.ts';
import { authorizeModel } from './stages/authorize-model.ts';
import { guardStored } from './stages/guard-stored.ts';
import { limitsFor } from './stages/limits-of-request.ts';
import { listModels } from './stages/list-models.ts';
import { rateLimit } from './stages/rate-limit.ts';
import { readCall } from './stages/read-call.ts';
import { resolveKey } from './stages/resolve-key.ts';
import { createMemoryStoredOwners, type StoredOwners } from './stored/stored-owners.ts';
import { createDraft } from './telemetry/record.ts';
import { servingNested } from './upstream/body-edits.ts';
import type { Upstream } from './upstream/upstream.ts';

export type { Explanation } from './explanation.ts';

/** What explaining needs of a gateway. */
export interface ExplainParts {
  readonly snapshot: Snapshot;
  readonly keyResolver: KeyResolver;
  /** As `resolveKey` has them. @default none */
  readonly identities?: readonly Identity[];
  /** As `route` has them. @default no vault, and a router that has measured nothing */
  readonly vault?: Vault | undefined;
  readonly router?: Router | undefined;
  /** As `guardStored` has them. @default nothing is known */
  readonly storedOwners?: StoredOwners | undefined;
  readonly ledger: Ledger;
  /** As `rateLimit` has them. @default runs are what callers name them */
  readonly runs?: Pick<Runs, 'read'>;
  /** The run that the host application says the request is part of. @default none */
  readonly hostRun?: RunScope | undefined;
  /** Whether every limit refuses when the ledger fails, whatever its `onFailure`. @default false */
  readonly failsClosed?: boolean;
  readonly upstream: Upstream;
  readonly runtime: Runtime;
}

type Draft = { -readonly [Name in keyof Explanation]: Explanation[Name] };
type Model = Arrival & Identified & Received & Authorized;

/**
 * Runs the real stages of the default pipeline on a request, with a ledger that holds nothing, and stops where the
 * request would be sent. So a refusal is the one that the request itself would get. It does not check whether the same
 * `idempotency-key` was sent before.
 */
export async function explainRequest(request: GatewayRequest, parts: ExplainParts): Promise<Explanation> {
  const { snapshot, keyResolver, identities = [], vault, ledger, upstream, runtime } = parts;
  const router = parts.router ?? createRouter({ observations: upstream.observations });
  const found: Draft = {
    allowed: false,
    snapshot: snapshot.id,
    ...(snapshot.version && { version: snapshot.version }),
  };
  const pipeline = createPipeline<Arrival>()
    .use(
      resolveKey({
        resolver: keyResolver,
        identities,
        onPrincipal(principal) {
          found.principal = principal;
          const policy = snapshot.policyFor(principal);
          if (!policy) return;
          found.profile = policy.profile;
          found.policy = describePolicy(policy);
        },
      }),
    )
    .use(
      noting('noteMetadata', ({ metadata }: Identified) => {
        found.metadata = metadata;
      }),
    )
    .use(answerHealth)
    .use(readCall())
    .use(
      noting('noteCall', ({ call }: Received) => {
        if (call.model !== undefined) found.requestedModel = call.model;
      }),
    )
    .use(listModels())
    .use(authorizeModel())
    .use(guardStored({ owners: parts.storedOwners ?? createMemoryStoredOwners({ runtime }) }))
    .use(
      noting('noteModel', async (context: Model) => {
        noteModel(found, context);
        await noteLimits(found, context, parts);
      }),
    )
    .use(
      rateLimit({
        ledger: withoutHolding(ledger, parts.failsClosed ?? false),
        // a limit that lets requests wait must not delay the answer
        maxWaiting: 0,
        ...(parts.runs && { runs: parts.runs }),
      }),
    )
    .end({
      name: 'notePlan',
      async run(context: Model & Reserved) {
        // rateLimit let it pass, with less output if necessary
        found.limits &&= found.limits.map((limit) => ({ ...limit, wouldPass: true }));
        // set even when no target is left
        found.routes = router.ask(context);
        const { plan, targets } = router.trace(context, vault);
        if (plan.route !== undefined) found.route = plan.route;
        if (plan.arm !== undefined) found.arm = plan.arm;
        const nowMs = runtime.monotonicMs();
        found.targets = withStates(targets, upstream.healths.find, nowMs);
        found.plan = servingNested(plan.candidates, context, context.call).map(({ id }) => {
          const { breaker, coolDownMs } = stateOf(upstream.healths.find(id), nowMs);
          return { target: id, breaker, coolDownMs };
        });
        return toReply(200, {}, '');
      },
    });
  const record = createDraft();
  try {
    if (request.refusal) throw request.refusal;
    const endpoint = matchEndpoint(request.method, request.path, request.headers);
    if (endpoint === 'health') return { ...found, operation: 'health', allowed: true };
    if ('refused' in endpoint) throw endpoint.refused;
    found.operation = endpoint.operation;
    found.dialect = endpoint.dialect;
    await pipeline.run({
      id: runtime.newId(),
      request,
      endpoint,
      snapshot,
      runtime,
      arrivedAtMs: runtime.monotonicMs(),
      hostRun: parts.hostRun,
      record,
    });
    return { ...found, allowed: true };
  } catch (thrown) {
    const { code, status, message } = toGatewayError(thrown);
    // a stage that refuses a model has resolved it first
    if (record.model !== undefined) found.model = record.model;
    return { ...found, allowed: false, refusal: { code, status, message } };
  }
}

/** The gateway itself answers health requests. */
const answerHealth: Stage<Arrival, object> = {
  name: 'answerHealth',
  run: ({ endpoint }, next) =>
    endpoint.operation === 'health-report' ? Promise.resolve(toReply(200, {}, '')) : next(nothing),
};

/** A stage that only looks and adds no facts. */
function noting<Needs extends object>(
  name: string,
  look: (context: Needs) => void | Promise<void>,
): Stage<Needs, object> {
  return {
    name,
    async run(context, next): Promise<GatewayReply> {
      await look(context);
      return next(nothing);
    },
  };
}

function noteModel(found: Draft, { model, call, snapshot, policy, runtime }: Model): void {
  if (!model || call.model === undefined) return;
  const nowMs = runtime.now();
  const { steps = [] } = (snapshot.resolveModel(call.model, policy, nowMs) ?? {}) as Partial<Resolution>;
  found.model = model.name;
  found.resolution = steps;
  if (model.version !== undefined) found.modelVersion = model.version;
  if (model.deprecation && nowMs >= model.deprecation.fromMs) found.deprecation = model.deprecation.warning;
}

async function noteLimits(found: Draft, context: Model, { ledger, runs }: ExplainParts): Promise<void> {
  found.estimate = estimateOf(context);
  let applied: Applied;
  let states: readonly ScopeState[];
  try {
    applied = limitsFor(context, ledger.nowMs(), runs);
    states = await ledger.peek(applied.scopes);
  } catch {
    // rateLimit asks again, and treats a failing ledger, or what is missing, as it does for the request itself
    return;
  }
  const { limits, scopes } = applied;
  found.limits = limits.flatMap((limit, index) => {
    const state = states[index];
    const scope = scopes[index];
    if (!state || !scope) return [];
    const wouldPass = limit.mode !== 'block' || state.used + state.held + scope.hold <= state.amount;
    const origin = context.policy.origins.limits[context.policy.limits.indexOf(limit)] ?? 'default';
    const { label, mode, unit } = limit;
    const resetsAtMs = limit.window.resetsAtMs(scope.span);
    const reset = resetsAtMs === undefined ? {} : { resetsAtMs };
    return [{ ...state, ...reset, label, origin, mode, unit, hold: scope.hold, wouldPass }];
  });
}

/** What limits hold for this request. */
function estimateOf({ call, model }: Model): NonNullable<Explanation['estimate']> {
  const usage = estimateUsage(call, model);
  return {
    inputTokens: usage.inputTokens ?? 0,
    outputTokens: usage.outputTokens ?? 0,
    estimatedCostNanoUsd: model?.price ? costOf(usage, model.price) : null,
  };
}

function isClosed(scope: LedgerScope): boolean {
  return ((scope as Partial<LimitScope>).onFailure ?? 'closed') === 'closed';
}

/** A ledger that answers as the real one would and changes nothing. */
function withoutHolding(ledger: Ledger, failsClosed: boolean): Ledger {
  return {
    async reserve(_id, scopes) {
      let states: readonly ScopeState[];
      try {
        states = await ledger.peek(scopes);
      } catch (cause) {
        if (failsClosed || scopes.some(isClosed)) throw cause;
        const held = scopes.map(({ key, hold, amount }) => ({ key, used: 0, held: hold, amount }));
        return { kind: 'granted', scopes: held, withoutLedger: true };
      }
      const deniedAt = scopes.findIndex(({ mode, hold }, index) => {
        const state = states[index];
        return state && mode === 'block' && state.used + state.held + hold > state.amount;
      });
      if (deniedAt >= 0) return { kind: 'denied', deniedAt, scopes: states };
      const held = states.map((state, index) => ({
        ...state,
        held: state.held + (scopes[index]?.hold ?? 0),
      }));
      return { kind: 'granted', scopes: held };
    },
    nowMs: () => ledger.nowMs(),
    renew: () => true,
    settle: () => undefined,
    peek: (scopes) => ledger.peek(scopes),
  };
}
