import type { Limit } from '../limits/limit.ts';
import type { Model } from './model.ts';
import type { ProfileConfig } from './schema.ts';

/** A list of patterns, and where it stands. */
export interface Narrowing {
  /** `profiles.standard.models`; `key <id>` for what a key or token says. */
  readonly origin: string;
  readonly patterns: readonly string[];
}

/** The version that callers get who ask for a family or an alias. */
export interface Pin {
  readonly model: string;
  readonly origin: string;
}

/** Whose credential pays the provider. */
export type Billing = NonNullable<ProfileConfig['billing']>;

/** Who goes first when not all can. */
export type Priority = NonNullable<ProfileConfig['priority']>;

/** Whether the content of requests and replies may be kept. */
export type Capture = NonNullable<ProfileConfig['capture']>;

/** Where the values of a policy stand in the configuration, as paths; `default` for what is said nowhere. */
export interface PolicyOrigins {
  readonly profile: string;
  /** One for each limit, at the same place. */
  readonly limits: readonly string[];
  readonly billing: string;
  readonly capture: string;
  readonly priority: string;
  readonly operator: string;
  readonly clampOutput: string;
  /** One for each required name, at the same place. */
  readonly requiredMetadata: readonly string[];
}

/** What a caller may do: everything that organisation, team, project, user and key say, taken together. Immutable. */
export interface Policy {
  readonly team: string;
  /** Its project, when the configuration lists it. */
  readonly project: string | undefined;
  /** Name of the team's profile. */
  readonly profile: string;
  /** Each of these must match a model's public name. */
  readonly models: readonly Narrowing[];
  /** Each of these must match the name of an MCP server. */
  readonly mcpServers: readonly Narrowing[];
  /** Limits of the organisation, the team, its profile, the project, its profile, the user and the key, in this order. */
  readonly limits: readonly Limit[];
  /** By the name that is asked for. */
  readonly pins: ReadonlyMap<string, Pin>;
  readonly billing: Billing;
  readonly capture: Capture;
  /** Names that every call must have in its metadata. */
  readonly requiredMetadata: readonly string[];
  /** Each of these must permit the place where a request is handled; empty for anywhere. The same list for policies without any. */
  readonly regions: readonly Narrowing[];
  /** Whether the output limit of a request is lowered to what the limits left still allow. */
  readonly clampOutput: boolean;
  /** Whether its requests wait behind others when not all can go on. */
  readonly priority: Priority;
  /** Whether its keys see how the gateway and its targets are. */
  readonly isOperator: boolean;
  /** A blocking `usd` limit of the key itself, which no check of the configuration has seen; such a key uses no model without a price. */
  readonly ownBudget: Limit | undefined;
  readonly origins: PolicyOrigins;
  /** Whether every level permits a model. Constant time after the first question about a model. */
  permits(model: Model): boolean;
}
