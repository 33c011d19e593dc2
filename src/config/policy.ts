import type { Limit } from '../limits/limit.ts';
import type { Model } from './model.ts';
import type { ProfileConfig } from './schema.ts';

/** A list of patterns, and where it is set. */
export interface Narrowing {
  /** `profiles.standard.models`; `key <id>` if a key or token sets it. */
  readonly origin: string;
  readonly patterns: readonly string[];
}

/** The version that callers get when they ask for a family or alias. */
export interface Pin {
  readonly model: string;
  readonly origin: string;
}

/** Whose credential pays the provider. */
export type Billing = NonNullable<ProfileConfig['billing']>;

/** Who goes first when there is no room for all. */
export type Priority = NonNullable<ProfileConfig['priority']>;

/** Whether the content of requests and replies may be kept. */
export type Capture = NonNullable<ProfileConfig['capture']>;

/** Where the values of a policy are set in the configuration, as paths; `default` if nowhere. */
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

/** What a caller may do: what organisation, team, project, user and key say, combined. Immutable. */
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
  /** Limits of organisation, team, its profile, project, its profile, user and key, in this order. */
  readonly limits: readonly Limit[];
  /** By the requested name. */
  readonly pins: ReadonlyMap<string, Pin>;
  readonly billing: Billing;
  readonly capture: Capture;
  /** Names that every call must have in its metadata. */
  readonly requiredMetadata: readonly string[];
  /** Each must permit the place where a request is handled; empty for anywhere. Policies without any share one list. */
  readonly regions: readonly Narrowing[];
  /** Whether the output limit of a request is lowered to what the limits still allow. */
  readonly clampOutput: boolean;
  /** Whether its requests wait behind others when there is no room for all. */
  readonly priority: Priority;
  /** Whether its keys see the health of the gateway and its targets. */
  readonly isOperator: boolean;
  /** The key's own blocking `usd` limit, unseen by configuration checks; such a key uses no model without a price. */
  readonly ownBudget: Limit | undefined;
  readonly origins: PolicyOrigins;
  /** Whether every level permits a model. Constant time after the first call for a model. */
  permits(model: Model): boolean;
}
