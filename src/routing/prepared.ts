import type { Call } from '../call.ts';
import type { Choice, Model, Route, Snapshot, Target } from '../config/snapshot.ts';
import type { DialectFamily } from '../dialects/dialect.ts';
import { GatewayError } from '../errors.ts';
import { type CredentialOrder, candidatesOf, isWeighted } from './credential-order.ts';
import { forwardingOf, type Plan } from './plan.ts';
import type { Residency } from './residency.ts';
import { createOrderedTier, type OrderedTier } from './tier-order.ts';

/** What all requests of a kind share: those for one model, in one dialect, on one route, in the same regions. */
export interface Prepared {
  readonly tiers: readonly OrderedTier[];
  readonly tierOf: ReadonlyMap<Target, number>;
  /** Whether some tier is ordered by measurements. */
  readonly isMeasured: boolean;
  /** Whether targets say who pays. */
  readonly hasBilling: boolean;
  /** Whether targets have context windows to check. */
  readonly hasWindows: boolean;
  /** The complete plan with the gateway's credentials, if it is the same for every request. */
  readonly plan: Plan | undefined;
}

/** What a preparation is for. */
export interface Kind {
  readonly call: Call;
  readonly model: Model | undefined;
  readonly snapshot: Snapshot;
  readonly route: Route | undefined;
  readonly residency: Residency | undefined;
}

/** The targets of a route, or of the model if the route names none, by tiers. */
export function tiersOf({ call, model, snapshot, route }: Kind): readonly (Choice & {
  readonly targets: readonly Target[];
})[] {
  if (route?.tiers) {
    return route.tiers.map((tier) => ({ ...tier, targets: tier.targets.map((target) => target.for(model)) }));
  }
  const own = model ? model.targets : withoutModel(call.endpoint.family, snapshot);
  return [{ ...(route?.own ?? asWritten), targets: own }];
}

const asWritten: Choice = { strategy: 'order', sticky: ['session', 'cache'] };

/**
 * Prepares plans: which targets speak the caller's dialect and are in a permitted region.
 *
 * @throws GatewayError `unsupported_request` (400) if no target speaks the dialect, naming both; `not_permitted` (403)
 *   if none is in a permitted region
 */
export function prepare(kind: Kind, credentials: CredentialOrder): Prepared {
  const { call, residency, route, snapshot } = kind;
  const { family } = call.endpoint;
  const all = tiersOf(kind);
  const speaking = all.map((tier) => ({
    ...tier,
    targets: tier.targets.filter(({ provider }) => provider.provider.family === family),
  }));
  if (speaking.every(({ targets }) => targets.length === 0)) throw refuseDialect(kind, all);
  const lying = residency
    ? speaking.map((tier) => ({
        ...tier,
        targets: tier.targets.filter((target) =>
          // other payers' credentials may have another region: checked once they are known
          [...target.provider.credentials, {}].some((credential) => residency.permits(target, credential)),
        ),
      }))
    : speaking;
  const tiers = lying
    // those of weight 0 after the others, whatever the strategy
    .flatMap((tier) => [
      { ...tier, targets: tier.targets.filter(({ weight }) => weight !== 0) },
      { ...tier, targets: tier.targets.filter(({ weight }) => weight === 0) },
    ])
    .filter(({ targets }) => targets.length > 0)
    .map(({ targets, strategy, sticky }) => createOrderedTier(targets, strategy, sticky, credentials));
  if (tiers.length === 0) throw refuseRegions(residency as Residency);
  const targets = tiers.flatMap((tier) => tier.targets);
  const isMeasured = tiers.some(({ strategy }) => strategy !== 'weighted' && strategy !== 'order');
  const hasWindows =
    route !== undefined && targets.length > 1 && targets.some((target) => target.contextWindow !== undefined);
  const isFixed =
    !isMeasured &&
    !hasWindows &&
    targets.every(({ provider }) => !isWeighted(provider)) &&
    tiers.every((tier) => tier.strategy === 'order' || tier.targets.length === 1);
  const fixed = isFixed
    ? targets
        .flatMap(candidatesOf)
        .filter(({ target, credential }) => residency?.permits(target, credential) ?? true)
    : [];
  return {
    tiers,
    tierOf: new Map(tiers.flatMap((tier, place) => tier.targets.map((target) => [target, place] as const))),
    isMeasured,
    hasWindows,
    hasBilling: targets.some(({ billing }) => billing !== undefined),
    // if none of the gateway's own is permitted, a caller's still may be
    plan:
      fixed.length > 0
        ? {
            candidates: fixed,
            forwarding: forwardingOf(snapshot, route),
            route: route?.name,
            arm: fixed[0]?.target.arm,
          }
        : undefined,
  };
}

/** Says where requests may be handled, and that no target is there. */
export function refuseRegions({ lists }: Residency): GatewayError {
  const wanted = lists.map(({ patterns }) => patterns.join(' or ')).join(', and in ');
  return new GatewayError(
    'not_permitted',
    `This request must be handled in ${wanted}, and no target that could serve it is known to lie there. Use another model, or ask the operator of this gateway.`,
    { param: 'model' },
  );
}

function refuseDialect(
  { call, model, route }: Kind,
  tiers: readonly { readonly targets: readonly Target[] }[],
): GatewayError {
  const { family, operation } = call.endpoint;
  const targets = tiers.flatMap((tier) => tier.targets);
  const spoken = [...new Set(targets.map(({ provider }) => provider.provider.family))].join(', ');
  const subject = model
    ? `The model "${model.name}" is served by`
    : `The route "${route?.name}" leads ${operation} to`;
  return new GatewayError(
    'unsupported_request',
    targets.length > 0
      ? `${subject} providers that speak ${spoken}, and this request (${operation}) speaks ${family}. Call it through the ${spoken} API.`
      : `No provider that speaks ${family} is configured, so ${operation} cannot be served.`,
    { param: 'model' },
  );
}

function withoutModel(family: DialectFamily, snapshot: Snapshot): readonly Target[] {
  const provider = snapshot.providerOf(family);
  return provider ? [{ id: `${provider.id}/`, provider, model: undefined }] : [];
}
