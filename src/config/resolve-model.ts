import type { ListedModel } from '../dialects/models-list.ts';
import type { Catalog, Resolution } from './catalog.ts';
import { isAvailable, type Model } from './model.ts';
import type { Pin, Policy } from './policy.ts';

/** Finds models for a caller. */
export interface ModelResolver {
  /**
   * The model that a caller gets for a name now, in this order: what its profile pins for the name; the model with that
   * name; the model with that alias; the newest member of that family it may use; the longest matching pattern.
   * Undefined if there is none, or if the caller may not use it, it is not released yet, or it is retired.
   */
  resolve(name: string, policy: Policy, nowMs: number): Resolution | undefined;
  /**
   * Every name that gives the caller a model now, each described as that model: models and their aliases in catalog
   * order, then families. Names that only patterns match are too many to list.
   */
  list(policy: Policy, nowMs: number): ListedModel[];
}

/** What is cached for a policy; freed together with it. Bounded by the configuration's pins and families. */
interface Remembered {
  readonly pins: Map<string, Resolution | undefined>;
  readonly families: Map<string, Newest>;
}

/** The newest member of a family, which changes only when one is released or retired. */
interface Newest {
  readonly resolution: Resolution | undefined;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Resolves names by the catalog of one snapshot: aliases, families, pins and patterns. */
export function createModelResolver({ byName, families, isDisabled, find }: Catalog): ModelResolver {
  const remembered = new WeakMap<Policy, Remembered>();

  function remember(policy: Policy): Remembered {
    let found = remembered.get(policy);
    if (!found) {
      found = { pins: new Map(), families: new Map() };
      remembered.set(policy, found);
    }
    return found;
  }

  function findPinned(name: string, policy: Policy): Resolution | undefined {
    const { pins } = remember(policy);
    if (pins.has(name)) return pins.get(name);
    const { model: to, origin } = policy.pins.get(name) as Pin;
    const found = find(to);
    const further = found?.steps[0]?.by === 'name' ? [] : (found?.steps ?? []);
    const resolution: Resolution | undefined = found && {
      model: found.model,
      steps: [{ by: 'pin', from: name, to, origin }, ...further],
    };
    pins.set(name, resolution);
    return resolution;
  }

  function findNewest(family: string, policy: Policy, nowMs: number): Resolution | undefined {
    const { families: known } = remember(policy);
    const last = known.get(family);
    if (last && nowMs >= last.fromMs && nowMs < last.untilMs) return last.resolution;
    const members = families.get(family) as readonly Model[];
    const model = members.find((member) => isAvailable(member, nowMs) && policy.permits(member));
    const changes = members.flatMap(({ releasedAtMs, retiresAtMs }) => [releasedAtMs ?? 0, retiresAtMs ?? 0]);
    const newest: Newest = {
      resolution: model && { model, steps: [{ by: 'family', from: family, to: model.name }] },
      fromMs: Math.max(0, ...changes.filter((atMs) => atMs <= nowMs)),
      untilMs: Math.min(...changes.filter((atMs) => atMs > nowMs)),
    };
    known.set(family, newest);
    return newest.resolution;
  }

  function resolve(name: string, policy: Policy, nowMs: number): Resolution | undefined {
    const isPinned = policy.pins.size > 0 && policy.pins.has(name);
    if (!isPinned && !byName.has(name) && families.has(name) && !isDisabled(name)) {
      return findNewest(name, policy, nowMs);
    }
    const found = isPinned ? findPinned(name, policy) : find(name);
    return found && isAvailable(found.model, nowMs) && policy.permits(found.model) ? found : undefined;
  }

  return {
    resolve,
    list: (policy, nowMs) =>
      [...new Set([...byName.keys(), ...families.keys()])].flatMap((name) => {
        const found = resolve(name, policy, nowMs);
        return found ? [toListed(name, found.model, nowMs)] : [];
      }),
  };
}

/** A model as the models list shows it under one of its names, at an instant. */
export function toListed(name: string, { listed, deprecation }: Model, nowMs: number): ListedModel {
  const isDeprecated = deprecation !== undefined && nowMs >= deprecation.fromMs;
  if (name === listed.id && !isDeprecated) return listed;
  return { ...listed, id: name, ...(isDeprecated && { isDeprecated }) };
}
