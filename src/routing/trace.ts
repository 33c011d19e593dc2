import type { Route, Target } from '../config/snapshot.ts';
import { estimateInputTokens } from '../limits/estimate.ts';
import type { TargetHealth } from '../upstream/health/target-health.ts';
import { candidatesOf } from './credential-order.ts';
import type { Plan } from './plan.ts';
import { tiersOf } from './prepared.ts';
import { type Residency, regionsOf, residencyOf } from './residency.ts';
import type { RoutingContext } from './rules/facts.ts';
import { stateOf, type TargetState, whyNotReady } from './target-state.ts';

/** One target of a route or model with one of its credentials, and its place in the plan. */
export interface TracedTarget {
  /** `provider/model#credential`. */
  readonly target: string;
  /** From 1. */
  readonly tier: number;
  readonly strategy: string;
  readonly weight: number;
  readonly arm?: string;
  readonly regions: readonly string[];
  /** Its place in the plan, from 1; absent if it is not in it. */
  readonly place?: number;
  /** Why it is not in the plan, why it comes last, or why others are tried before it anyway. */
  readonly reason?: string;
}

/** A target with its current state. */
export type ExplainedTarget = TracedTarget & TargetState;

/** Adds to targets their state and, if they have no other reason, the one that follows from it. */
export function withStates(
  targets: readonly TracedTarget[],
  healthOf: (id: string) => TargetHealth | undefined,
  nowMs: number,
): ExplainedTarget[] {
  return targets.map((target) => {
    const state = stateOf(healthOf(target.target), nowMs);
    const reason = target.reason ?? whyNotReady(state);
    return { ...target, ...state, ...(reason !== undefined && { reason }) };
  });
}

/** Explains for every target why it is in a plan or not. */
export function traceTargets(plan: Plan, route: Route | undefined, context: RoutingContext): TracedTarget[] {
  const { call, model, snapshot, policy } = context;
  const residency = residencyOf(policy, route);
  const tiers = tiersOf({ call, model, snapshot, route, residency });
  const own = tiers.flatMap(({ targets, strategy }, tier) =>
    targets.flatMap((target) =>
      candidatesOf(target).map((candidate) => {
        const regions = regionsOf(target, candidate.credential);
        const place = plan.candidates.findIndex(
          (planned) => planned.target === target && planned.credential === candidate.credential,
        );
        const reason =
          place >= 0 ? route && tooSmall(target, context) : whyOut(target, regions, residency, context);
        return {
          target: candidate.id,
          tier: tier + 1,
          strategy,
          weight: target.weight ?? 1,
          ...(target.arm !== undefined && { arm: target.arm }),
          regions,
          ...(place >= 0 && { place: place + 1 }),
          ...(reason !== undefined && { reason }),
        };
      }),
    ),
  );
  // with a credential of the caller's own
  const others = plan.candidates.flatMap((candidate, place) =>
    own.some(({ target }) => target === candidate.id)
      ? []
      : [
          {
            target: candidate.id,
            tier:
              1 +
              Math.max(
                0,
                tiers.findIndex(({ targets }) => targets.includes(candidate.target)),
              ),
            strategy: tiers[0]?.strategy ?? 'order',
            weight: candidate.target.weight ?? 1,
            regions: regionsOf(candidate.target, candidate.credential),
            place: place + 1,
          },
        ],
  );
  return [...own, ...others];
}

function whyOut(
  target: Target,
  regions: readonly string[],
  residency: Residency | undefined,
  { endpoint }: RoutingContext,
): string {
  const { family } = target.provider.provider;
  if (family !== endpoint.family) return `speaks ${family}, and the request ${endpoint.family}`;
  const denied = residency?.lists.find(
    ({ patterns }) =>
      regions.length === 0 ||
      regions.some((region) => !patterns.some((pattern) => isWithin(pattern, region))),
  );
  if (denied) {
    const place = regions.length === 0 ? 'says no region' : `lies in ${regions.join(' and ')}`;
    return `${place}, and ${denied.origin} permits ${denied.patterns.join(' or ')}`;
  }
  return 'is not who pays: the request is paid with another credential';
}

function isWithin(pattern: string, region: string): boolean {
  return pattern.endsWith('*') ? region.startsWith(pattern.slice(0, -1)) : pattern === region;
}

function tooSmall({ contextWindow }: Target, { call }: RoutingContext): string | undefined {
  const tokens = estimateInputTokens(call);
  if (contextWindow === undefined || contextWindow >= tokens) return undefined;
  return `comes last where others fit: its window has ${contextWindow} tokens, and the input about ${tokens}`;
}
