import type { Route, Snapshot } from '../config/snapshot.ts';
import { estimateInputTokens } from '../limits/estimate.ts';
import { quietly } from '../quietly.ts';
import type { Vault } from '../secrets/vault.ts';
import { affinityOf } from './affinity.ts';
import { billingOf, billPlan } from './billing.ts';
import { createCredentialOrder } from './credential-order.ts';
import { orderByMeasure } from './measured-order.ts';
import type { Observations } from './observations.ts';
import { type Candidate, forwardingOf, type Plan } from './plan.ts';
import { type Kind, type Prepared, prepare, refuseRegions } from './prepared.ts';
import { type Residency, residencyOf } from './residency.ts';
import { type RouteFacts, type RoutingContext, toRouteFacts } from './rules/facts.ts';
import { type OnRuleError, type RuleAnswer, rulesOf } from './rules/rules.ts';
import type { OrderedTier } from './tier-order.ts';
import { type TracedTarget, traceTargets } from './trace.ts';

/** What a router needs. */
export interface RouterOptions {
  /** For strategies. */
  readonly observations: Observations;
  /** Told of `when` functions that threw, with an error that names the route. @default ignored; `errors` counts them */
  readonly onError?: ((error: Error) => void) | undefined;
}

/** How a request would be routed, and why. */
export interface RouteTrace {
  /** Each route's answer, up to the first match. */
  readonly routes: readonly RuleAnswer[];
  readonly plan: Plan;
  /** Every target of the route or model, and why it is in the plan or not. */
  readonly targets: readonly TracedTarget[];
}

/** Chooses routes and makes plans. One for each gateway, since it remembers whose turn it is. */
export interface Router {
  /**
   * Makes the plan of a request.
   *
   * @throws GatewayError `unsupported_request` (400) if no target speaks the caller's dialect; `not_permitted` (403) if
   *   none is where policy and route permit; as `billPlan`.
   */
  plan(context: RoutingContext, vault: Vault | undefined): Plan;
  /** The route that made a plan. */
  routeOf(plan: Plan, snapshot: Snapshot): Route | undefined;
  /** As `plan`, but takes no turn and gives reasons. @throws GatewayError as `plan` */
  trace(context: RoutingContext, vault: Vault | undefined): RouteTrace;
  /** Only the routes' answers. */
  ask(context: RoutingContext): readonly RuleAnswer[];
  /** How often each route's `when` function has thrown. */
  readonly errors: ReadonlyMap<string, number>;
}

/** Routes whose errors are counted. */
const maxErrors = 1_000;

/**
 * Makes a router.
 */
export function createRouter({ observations, onError }: RouterOptions): Router {
  const credentials = createCredentialOrder();
  const errors = new Map<string, number>();
  let plans = 0;
  const tell = quietly(onError);
  const prepared = new WeakMap<object, WeakMap<object, Map<string, Prepared>>>();

  const noteError: OnRuleError = (route, cause) => {
    if (errors.size < maxErrors || errors.has(route)) errors.set(route, (errors.get(route) ?? 0) + 1);
    tell(new Error(`The "when" function of the route "${route}" failed.`, { cause }));
  };

  function preparedFor(kind: Kind): Prepared {
    const { route, model, snapshot, residency, call } = kind;
    // without a model, by the snapshot: then the configuration says who serves
    const byRoute = within<object, WeakMap<object, Map<string, Prepared>>>(
      prepared,
      route ?? snapshot,
      () => new WeakMap(),
    );
    const byModel = within<object, Map<string, Prepared>>(byRoute, model ?? snapshot, () => new Map());
    const { family } = call.endpoint;
    const key = residency ? `${family} ${residency.key}` : family;
    let found = byModel.get(key);
    if (!found) {
      found = prepare(kind, credentials);
      byModel.set(key, found);
    }
    return found;
  }

  function find(context: RoutingContext): Route | undefined {
    const rules = rulesOf(context.snapshot);
    if (rules.isEmpty) return undefined;
    return rules.find(context.model, () => toRouteFacts(context), noteError)?.route;
  }

  function planOn(
    route: Route | undefined,
    context: RoutingContext,
    vault: Vault | undefined,
    isLooking: boolean,
  ): Plan {
    const { policy, model, snapshot, call } = context;
    const residency = residencyOf(policy, route);
    const ready = preparedFor({ call, model, snapshot, route, residency });
    if (ready.plan) {
      const { plan } = ready;
      if (!ready.hasBilling && billingOf(context) === 'standard') return plan;
      const billed = billPlan(plan, context, vault);
      return withArm(residency ? { ...billed, candidates: inside(billed.candidates, residency) } : billed);
    }
    const number = isLooking ? undefined : plans++;
    const inOrder: Plan = {
      candidates:
        ready.tiers.length === 1
          ? candidatesFor(ready.tiers[0] as OrderedTier, context, number)
          : ready.tiers.flatMap((tier) => candidatesFor(tier, context, number)),
      forwarding: forwardingOf(snapshot, route),
      route: route?.name,
    };
    const isPlain = !ready.hasBilling && billingOf(context) === 'standard';
    const billed = isPlain ? inOrder : billPlan(inOrder, context, vault);
    let candidates = residency ? inside(billed.candidates, residency) : billed.candidates;
    if (ready.isMeasured) candidates = byMeasures(candidates, ready, context, isLooking);
    if (ready.hasWindows) candidates = fittingFirst(candidates, context);
    return withArm({ ...billed, candidates });
  }

  function byMeasures(
    candidates: readonly Candidate[],
    { tiers, tierOf }: Prepared,
    { call, model }: RoutingContext,
    isLooking: boolean,
  ): readonly Candidate[] {
    return tiers.flatMap((tier, place) => {
      // a target added by billing belongs to the first tier
      const own = candidates.filter(({ target }) => (tierOf.get(target) ?? 0) === place);
      const { strategy } = tier;
      if (strategy === 'weighted' || strategy === 'order') return own;
      const turn = isLooking ? tier.turn : tier.turn++;
      return orderByMeasure(strategy, own, { observations, call, model, turn });
    });
  }

  return {
    plan: (context, vault) => planOn(find(context), context, vault, false),
    routeOf: (plan, snapshot) =>
      plan.route === undefined ? undefined : snapshot.routes.find(({ name }) => name === plan.route),
    ask: (context) => rulesOf(context.snapshot).ask(context.model, toRouteFacts(context), noteError),
    trace(context, vault) {
      const facts: RouteFacts = toRouteFacts(context);
      const routes = rulesOf(context.snapshot).ask(context.model, facts, noteError);
      const matched = routes.find((answer) => answer.matched)?.route;
      const route = context.snapshot.routes.find(({ name }) => name === matched);
      const plan = planOn(route, context, vault, true);
      return { routes, plan, targets: traceTargets(plan, route, context) };
    },
    errors,
  };
}

/** @throws GatewayError when nothing is left */
function inside(candidates: readonly Candidate[], residency: Residency): readonly Candidate[] {
  const left = candidates.filter(({ target, credential }) => residency.permits(target, credential));
  if (left.length === 0) throw refuseRegions(residency);
  return left;
}

/** Targets that are too small for a request come last: an estimate may be wrong. */
function fittingFirst(candidates: readonly Candidate[], { call }: RoutingContext): readonly Candidate[] {
  const tokens = estimateInputTokens(call);
  const fits = ({ target }: Candidate) =>
    target.contextWindow === undefined || target.contextWindow >= tokens;
  if (candidates.every(fits)) return candidates;
  return [...candidates.filter(fits), ...candidates.filter((candidate) => !fits(candidate))];
}

function withArm(plan: Plan): Plan {
  const arm = plan.candidates[0]?.target.arm;
  return arm === plan.arm ? plan : { ...plan, arm };
}

function candidatesFor(
  tier: OrderedTier,
  context: RoutingContext,
  plan: number | undefined,
): readonly Candidate[] {
  return tier.candidates(tier.usesAffinity ? affinityOf(tier.sticky, context) : undefined, plan);
}

function within<Key extends object, Value>(known: WeakMap<Key, Value>, key: Key, make: () => Value): Value {
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
  }
  return value;
}
