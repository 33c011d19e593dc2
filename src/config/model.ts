import type { ListedModel } from '../dialects/models-list.ts';
import { type Price, toNanoUsd, toPrice } from '../limits/price.ts';
import type { ConfigIssue } from './config-error.ts';
import { type Deprecation, toDeprecation } from './deprecation.ts';
import type { ConfiguredProvider } from './providers.ts';
import type { ModelConfig } from './schema.ts';
import { fillTarget, type Target, toTarget } from './target.ts';

export type { Target } from './target.ts';

/** A model of the catalog as a request found it. The same object for the same name as long as it is cached. */
export interface Model {
  /** The public name that profiles and limits refer to. */
  readonly name: string;
  /** The catalog's pattern that matched the name; undefined for a model that the catalog lists by name. */
  readonly pattern: string | undefined;
  /** Place of its entry in the catalog. */
  readonly index: number;
  readonly targets: readonly Target[];
  readonly price: Price | undefined;
  readonly maxOutputTokens: number | undefined;
  /** Tokens of the context window. */
  readonly contextWindow: number | undefined;
  /** The highest estimated cost of one request, in nano-USD. Never set without a price. */
  readonly maxCostNanoUsd: number | undefined;
  readonly family: string | undefined;
  readonly version: string | undefined;
  readonly modalities: ModelConfig['modalities'];
  /** Milliseconds since the epoch; the model is unavailable before it. */
  readonly releasedAtMs: number | undefined;
  /** Milliseconds since the epoch; the model is unavailable from here on. */
  readonly retiresAtMs: number | undefined;
  /** Set when its end is announced. */
  readonly deprecation: Deprecation | undefined;
  /** As the models list shows it, except for its lifecycle, which depends on the time. */
  readonly listed: ListedModel;
}

/** Whether a model is available at an instant: released and not retired. */
export function isAvailable(model: Model, nowMs: number): boolean {
  return (
    (model.releasedAtMs === undefined || nowMs >= model.releasedAtMs) &&
    (model.retiresAtMs === undefined || nowMs < model.retiresAtMs)
  );
}

/** Compiles one entry of the catalog. */
export function toModel(
  name: string,
  index: number,
  entry: ModelConfig,
  providers: ReadonlyMap<string, ConfiguredProvider>,
  issues: ConfigIssue[],
): Model {
  const { family, version, modalities, contextWindow, maxOutputTokens, releasedAt, retiresAt } = entry;
  return {
    name,
    pattern: name.endsWith('*') ? name : undefined,
    index,
    targets: entry.targets.flatMap((target, place) => {
      const path = `models.${name}.targets[${place}]`;
      return toTarget(target, name, path, providers, issues) ?? [];
    }),
    price: entry.price && toPrice(entry.price),
    maxOutputTokens,
    contextWindow,
    maxCostNanoUsd: entry.maxCostUsd === undefined ? undefined : toNanoUsd(entry.maxCostUsd),
    family,
    version,
    modalities,
    releasedAtMs: releasedAt,
    retiresAtMs: retiresAt,
    deprecation: toDeprecation(name, entry),
    listed: toListed(name, entry),
  };
}

/** A model for a name that a pattern of the catalog matches. */
export function fillPattern(model: Model, name: string): Model {
  const pattern = model.name;
  return {
    ...model,
    name,
    targets: model.targets.map((target) => fillTarget(target, pattern, name)),
    listed: { ...model.listed, id: name },
  };
}

function toListed(id: string, entry: ModelConfig): ListedModel {
  const facts: Record<string, unknown> = {
    createdAtMs: entry.releasedAt,
    ownedBy: entry.ownedBy,
    displayName: entry.displayName,
    description: entry.description,
    maxInputTokens: entry.contextWindow,
    maxOutputTokens: entry.maxOutputTokens,
    deprecatedAtMs: entry.deprecatedAt,
    retiresAtMs: entry.retiresAt,
  };
  // what is unknown is left out
  const known = Object.entries(facts).filter(([, value]) => value !== undefined);
  return { id, ...Object.fromEntries(known) };
}
