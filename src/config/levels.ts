import type { Limit } from '../limits/limit.ts';
import { toOwnLimits } from '../limits/limits-of-level.ts';
import type { Principal } from '../principal.ts';
import type { ModelSet, ModelSets } from './model-set.ts';
import type { Billing, Capture, Narrowing, Pin, Policy, Priority } from './policy.ts';

/** What one level of the hierarchy sets; what it leaves out, it inherits. */
export interface Level {
  /** Where it is in the configuration. */
  readonly path: string;
  /** Where its limits are. @default `<path>.limits` */
  readonly limitsPath?: string;
  readonly limits: readonly Limit[];
  readonly models?: readonly string[] | undefined;
  readonly mcpServers?: readonly string[] | undefined;
  readonly pins?: Readonly<Record<string, string>> | undefined;
  readonly billing?: Billing | undefined;
  readonly capture?: Capture | undefined;
  readonly clampOutput?: boolean | undefined;
  readonly priority?: Priority | undefined;
  readonly operator?: boolean | undefined;
  readonly regions?: readonly string[] | undefined;
  readonly metadata?: { readonly required: readonly string[] } | undefined;
}

/** The levels that make up a policy; undefined if they set nothing. */
export interface PolicyLevels {
  readonly organisation: Level;
  readonly team: Level;
  readonly profile: Level;
  readonly project: Level | undefined;
  readonly projectProfile: Level | undefined;
  readonly user: Level | undefined;
}

/** What a policy is for. */
interface Subject {
  readonly team: string;
  readonly project: string | undefined;
  readonly profile: string;
  readonly profileOrigin: string;
}

/** Combines all levels. They can only narrow models and add limits, in any order. */
export function combineLevels(subject: Subject, given: PolicyLevels, sets: ModelSets): Policy {
  // a project may name the same profile as its team
  const projectProfile = given.projectProfile === given.profile ? undefined : given.projectProfile;
  const present = (levels: readonly (Level | undefined)[]) => levels.filter((level) => level !== undefined);
  const inOrder = present([
    given.organisation,
    given.team,
    given.profile,
    given.project,
    projectProfile,
    given.user,
  ]);
  const nearestFirst = present([given.project, projectProfile, given.profile, given.organisation]);

  const models = narrowings(inOrder, 'models');
  const regions = narrowings(inOrder, 'regions');
  const limits = inOrder.flatMap((level) =>
    level.limits.map((limit, index) => ({
      limit,
      origin: `${level.limitsPath ?? `${level.path}.limits`}[${index}]`,
    })),
  );
  const nearest = (name: 'billing' | 'operator' | 'clampOutput') =>
    nearestFirst.find((level) => level[name] !== undefined);
  const originOf = (level: Level | undefined, name: string) => (level ? `${level.path}.${name}` : 'default');
  const billing = nearest('billing');
  const operator = nearest('operator');
  const clamp = nearest('clampOutput');
  const capture =
    inOrder.find((level) => level.capture === 'none') ?? inOrder.find((level) => level.capture === 'full');
  const batch = inOrder.find((level) => level.priority === 'batch');
  const required = new Map<string, string>();
  for (const level of inOrder) {
    for (const name of level.metadata?.required ?? []) {
      if (!required.has(name)) required.set(name, `${level.path}.metadata.required`);
    }
  }
  return {
    team: subject.team,
    project: subject.project,
    profile: subject.profile,
    models,
    mcpServers: narrowings(inOrder, 'mcpServers'),
    limits: limits.map(({ limit }) => limit),
    pins: combinePins(nearestFirst),
    billing: billing?.billing ?? 'standard',
    capture: capture?.capture ?? 'none',
    requiredMetadata: [...required.keys()],
    regions: regions.length === 0 ? noRegions : regions,
    priority: batch ? 'batch' : 'interactive',
    isOperator: operator?.operator ?? false,
    clampOutput: clamp?.clampOutput ?? false,
    ownBudget: undefined,
    origins: {
      profile: subject.profileOrigin,
      limits: limits.map(({ origin }) => origin),
      billing: originOf(billing, 'billing'),
      capture: originOf(capture, 'capture'),
      priority: originOf(batch, 'priority'),
      operator: originOf(operator, 'operator'),
      clampOutput: originOf(clamp, 'clampOutput'),
      requiredMetadata: [...required.values()],
    },
    permits: permitsAll(models.map(({ patterns }) => sets.shared(patterns))),
  };
}

/** A policy narrowed by what a key or token carries; the policy itself if that is nothing. */
export function narrowPolicy(policy: Policy, principal: Principal, sets: ModelSets): Policy {
  const { models, limits, key } = principal;
  if (models === undefined && limits === undefined) return policy;
  const origin = `key ${key}`;
  const own = toOwnLimits(limits ?? [], origin);
  const set = models && sets.of(models);
  return {
    ...policy,
    models: models ? [...policy.models, { origin, patterns: models }] : policy.models,
    limits: [...policy.limits, ...own],
    ownBudget: own.find(({ unit, mode }) => unit === 'usd' && mode === 'block'),
    origins: {
      ...policy.origins,
      limits: [...policy.origins.limits, ...own.map(() => origin)],
    },
    permits: set ? (model) => set.has(model) && policy.permits(model) : policy.permits,
  };
}

function permitsAll(sets: readonly ModelSet[]): Policy['permits'] {
  const [only] = sets;
  if (only && sets.length === 1) return (model) => only.has(model);
  return (model) => sets.every((set) => set.has(model));
}

function narrowings(levels: readonly Level[], field: 'models' | 'mcpServers' | 'regions'): Narrowing[] {
  return levels.flatMap((level) => {
    const patterns = level[field];
    return patterns ? [{ origin: `${level.path}.${field}`, patterns }] : [];
  });
}

const noRegions: readonly Narrowing[] = Object.freeze([]);
const noPins: ReadonlyMap<string, Pin> = new Map();

function combinePins(nearestFirst: readonly Level[]): ReadonlyMap<string, Pin> {
  const pins = new Map<string, Pin>();
  for (const { path, pins: given = {} } of nearestFirst) {
    for (const [name, model] of Object.entries(given)) {
      if (!pins.has(name)) pins.set(name, { model, origin: `${path}.pins.${name}` });
    }
  }
  return pins.size === 0 ? noPins : pins;
}
