import { toPrice } from '../limits/price.ts';
import type { Catalog } from './catalog.ts';
import type { ConfigIssue } from './config-error.ts';
import type { Model } from './model.ts';
import type { ConfiguredProvider } from './providers.ts';
import type { RouteTarget } from './route.ts';
import type { RouteConfig } from './schema.ts';
import { type Target, toTarget } from './target.ts';

type WrittenTarget = NonNullable<RouteConfig['targets']>[number];

/** Compiles a route's target. Undefined, and an issue, if its provider is missing. */
export function compileRouteTarget(
  written: WrittenTarget,
  path: string,
  catalog: Catalog,
  providers: ReadonlyMap<string, ConfiguredProvider>,
  issues: ConfigIssue[],
): RouteTarget | undefined {
  const target = toTarget(written, '', path, providers, issues);
  if (!target) return undefined;
  if (target.model?.includes('*')) {
    const message = `"${target.model}" is a pattern; name one model, or the provider alone, which keeps the name`;
    issues.push({ path, message });
  }
  const own = typeof written === 'string' ? undefined : toFields(written);
  const full: Target = { ...target, ...own };
  // a target in the catalog takes its facts from there
  const twin = full.model === '' ? undefined : twinOf(full, catalog);
  const named = full.model === '' ? undefined : withFacts(full, twin);
  const filled = new WeakMap<Model, Target>();
  return {
    for(model) {
      if (named) return named;
      if (!model) return { ...full, id: `${full.provider.id}/`, model: undefined };
      let found = filled.get(model);
      if (!found) {
        found = fill(full, model);
        filled.set(model, found);
      }
      return found;
    },
  };
}

/** For a provider alone: uses the model's name there, else its public name. */
function fill(target: Target, model: Model): Target {
  const own = model.targets.find(({ provider }) => provider === target.provider);
  const name = own?.model ?? model.name;
  const { contextWindow = model.contextWindow, price = model.price, region } = own ?? {};
  return {
    ...target,
    id: `${target.provider.id}/${name}`,
    model: name,
    region: target.region ?? region,
    contextWindow: target.contextWindow ?? contextWindow,
    continues: target.continues ?? own?.continues,
    price: target.price ?? price,
  };
}

const byTarget = new WeakMap<Catalog, ReadonlyMap<string, Model>>();

/** The first model of the catalog that has the same target. */
function twinOf({ id }: Target, catalog: Catalog): Model | undefined {
  let known = byTarget.get(catalog);
  if (!known) {
    const models = new Map<string, Model>();
    for (const model of catalog.entries) {
      if (model.pattern !== undefined) continue;
      for (const target of model.targets) if (!models.has(target.id)) models.set(target.id, model);
    }
    known = models;
    byTarget.set(catalog, known);
  }
  return known.get(id);
}

function withFacts(target: Target, twin: Model | undefined): Target {
  const own = twin?.targets.find(({ id }) => id === target.id);
  return {
    ...target,
    region: target.region ?? own?.region,
    contextWindow: target.contextWindow ?? own?.contextWindow ?? twin?.contextWindow,
    continues: target.continues ?? own?.continues,
    price: target.price ?? own?.price ?? twin?.price,
  };
}

function toFields(written: Exclude<WrittenTarget, string>): Partial<Target> {
  const { region, contextWindow, continues, price, weight, arm, billing, headers, body, timeouts } = written;
  const isOverriding = headers !== undefined || body !== undefined || timeouts !== undefined;
  return {
    region,
    contextWindow,
    continues,
    price: price && toPrice(price),
    weight,
    arm,
    billing,
    ...(isOverriding && { overrides: { headers, body, timeouts } }),
  };
}
