import type { Billing, Capture, Narrowing, Policy, Priority, ResolutionStep } from './config/snapshot.ts';
import type { GatewayErrorCode } from './errors.ts';
import type { LimitUnit, ScopeState } from './limits/ledger.ts';
import type { Metadata } from './metadata.ts';
import type { Principal } from './principal.ts';
import type { RuleAnswer } from './routing/rules/rules.ts';
import type { ExplainedTarget } from './routing/trace.ts';
import type { ConfigVersionInfo } from './stores/config-store.ts';

/** A value, and where it is set: a path in the configuration, `key <id>`, or `default`. */
export interface Explained<Value> {
  readonly value: Value;
  readonly origin: string;
}

/** What a caller may do, and which level says so. */
export interface ExplainedPolicy {
  readonly profile: Explained<string>;
  /** Every list must permit the model. */
  readonly models: readonly Narrowing[];
  readonly mcpServers: readonly Narrowing[];
  readonly pins: readonly { readonly name: string; readonly model: string; readonly origin: string }[];
  readonly limits: readonly { readonly label: string; readonly origin: string }[];
  readonly billing: Explained<Billing>;
  readonly capture: Explained<Capture>;
  readonly priority: Explained<Priority>;
  /** Every list must permit where a request is handled. */
  readonly regions: readonly Narrowing[];
  readonly operator: Explained<boolean>;
  readonly clampOutput: Explained<boolean>;
  readonly requiredMetadata: readonly Explained<string>[];
}

/** What would happen to a request. What the request does not reach is absent. */
export interface Explanation {
  /** Whether it would be sent to a provider now, or answered by the gateway itself. */
  readonly allowed: boolean;
  /** Why not: the error that the request itself would get. */
  readonly refusal?: { readonly code: GatewayErrorCode; readonly status: number; readonly message: string };
  readonly snapshot: string;
  /** The version of the configuration in its store, when it came from one. */
  readonly version?: ConfigVersionInfo;
  readonly operation?: string;
  readonly dialect?: string;
  readonly principal?: Principal;
  readonly metadata?: Metadata;
  readonly profile?: string;
  /** What the caller may do at all. */
  readonly policy?: ExplainedPolicy;
  readonly requestedModel?: string;
  /** Its public name, after aliases, pins and families. */
  readonly model?: string;
  readonly modelVersion?: string;
  /** How the one became the other. */
  readonly resolution?: readonly ResolutionStep[];
  /** The deprecation warning in replies. */
  readonly deprecation?: string;
  /** What limits hold for the request until its usage is known. The cost is null without a price. */
  readonly estimate?: {
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly estimatedCostNanoUsd: number | null;
  };
  /** The limits that apply; absent when the ledger cannot be read. */
  readonly limits?: readonly (ScopeState & {
    readonly label: string;
    readonly origin: string;
    readonly mode: string;
    readonly unit: LimitUnit;
    /** When use begins to expire; absent if it never does. */
    readonly resetsAtMs?: number;
    readonly hold: number;
    readonly wouldPass: boolean;
  })[];
  /** What each route answered, up to the first that matched; empty if there are none. */
  readonly routes?: readonly RuleAnswer[];
  /** The route that matched; absent if none did and the model's own targets serve. */
  readonly route?: string;
  /** The arm of a test that the request is assigned to. */
  readonly arm?: string;
  /** Every target of the route or the model, its state, and why it is in the plan or not. */
  readonly targets?: readonly ExplainedTarget[];
  /** Where the request would be sent, in this order. */
  readonly plan?: readonly {
    readonly target: string;
    readonly breaker: 'closed' | 'open' | 'half-open';
    readonly coolDownMs: number;
  }[];
}

/** A policy as an explanation shows it. */
export function describePolicy(policy: Policy): ExplainedPolicy {
  const { origins, limits, pins, requiredMetadata } = policy;
  const at = (places: readonly string[], index: number) => places[index] ?? 'default';
  return {
    profile: { value: policy.profile, origin: origins.profile },
    models: policy.models,
    mcpServers: policy.mcpServers,
    pins: [...pins].map(([name, { model, origin }]) => ({ name, model, origin })),
    limits: limits.map(({ label }, index) => ({ label, origin: at(origins.limits, index) })),
    billing: { value: policy.billing, origin: origins.billing },
    capture: { value: policy.capture, origin: origins.capture },
    priority: { value: policy.priority, origin: origins.priority },
    regions: policy.regions,
    operator: { value: policy.isOperator, origin: origins.operator },
    clampOutput: { value: policy.clampOutput, origin: origins.clampOutput },
    requiredMetadata: requiredMetadata.map((value, index) => ({
      value,
      origin: at(origins.requiredMetadata, index),
    })),
  };
}
