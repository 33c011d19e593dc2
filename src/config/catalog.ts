import { LRUCache } from 'lru-cache';
import type { ConfigIssue } from './config-error.ts';
import { fillPattern, type Model, toModel } from './model.ts';
import { createModelSets, type ModelSets } from './model-set.ts';
import { createNameIndex, type NameIndex } from './name-index.ts';
import type { ConfiguredProvider } from './providers.ts';
import type { ParsedConfig } from './schema.ts';

/** One step from the name that was asked for to the model that serves. */
export interface ResolutionStep {
  readonly by: 'name' | 'alias' | 'pin' | 'family' | 'pattern';
  /** The name that was asked for; for `pattern`, the pattern. */
  readonly from: string;
  readonly to: string;
  /** Where a pin is set in the configuration. */
  readonly origin?: string;
}

/** A model, and how its name led to it. */
export interface Resolution {
  readonly model: Model;
  readonly steps: readonly ResolutionStep[];
}

/** The models of one version of the configuration, regardless of caller and time. */
export interface Catalog {
  /** Every entry at its place, including disabled ones and patterns. */
  readonly entries: readonly Model[];
  /** Enabled models by name and alias, each model before its aliases. */
  readonly byName: ReadonlyMap<string, Resolution>;
  /** Enabled members of each family, newest first. */
  readonly families: ReadonlyMap<string, readonly Model[]>;
  readonly sets: ModelSets;
  /** Whether a name, alias or pattern belongs to a disabled entry. */
  isDisabled(name: string): boolean;
  /** What a name is, enabled or not; undefined if it is unknown. */
  kindOf(name: string): 'model' | 'alias' | 'pattern' | undefined;
  /** Finds an enabled model by name, alias or longest pattern. */
  find(name: string): Resolution | undefined;
}

/** @param maxPatternModels how many pattern matches are cached, since callers choose their names */
export function compileCatalog(
  config: ParsedConfig,
  providers: ReadonlyMap<string, ConfiguredProvider>,
  maxPatternModels: number,
  issues: ConfigIssue[],
): Catalog {
  const index = createNameIndex(Object.keys(config.models));
  const entries: Model[] = [];
  const byName = new Map<string, Resolution>();
  const disabled = new Set<string>();
  const aliases = new Set<string>();
  const families = new Map<string, Model[]>();

  for (const [place, [name, entry]] of Object.entries(config.models).entries()) {
    const model = toModel(name, place, entry, providers, issues);
    entries.push(model);
    if (model.pattern !== undefined) {
      checkPattern(name, entry, issues);
      if (!entry.enabled) disabled.add(name);
      continue;
    }
    if (entry.family !== undefined) {
      const members = families.get(entry.family) ?? [];
      families.set(entry.family, members);
      if (entry.enabled) members.push(model);
    }
    for (const own of [name, ...entry.aliases]) {
      if (own !== name) {
        if (aliases.has(own) || index.exact(own) !== undefined) {
          const message = `the name "${own}" is taken by another model; remove it from one of them`;
          issues.push({ path: `models.${name}`, message });
          continue;
        }
        aliases.add(own);
      }
      // a pattern must not bring back what is disabled by name
      if (!entry.enabled) disabled.add(own);
      else byName.set(own, { model, steps: [{ by: own === name ? 'name' : 'alias', from: own, to: name }] });
    }
  }
  for (const members of families.values()) members.sort(newestFirst);

  return {
    entries,
    byName,
    families,
    sets: createModelSets(index),
    isDisabled: (name) => disabled.has(name),
    kindOf(name) {
      if (index.exact(name) !== undefined) return 'model';
      if (aliases.has(name)) return 'alias';
      return index.longestPattern(name) === undefined ? undefined : 'pattern';
    },
    find: createFinder(entries, index, byName, disabled, maxPatternModels),
  };
}

function createFinder(
  entries: readonly Model[],
  index: NameIndex,
  byName: ReadonlyMap<string, Resolution>,
  disabled: ReadonlySet<string>,
  maxPatternModels: number,
): Catalog['find'] {
  const matches = new LRUCache<string, Resolution>({ max: maxPatternModels });
  return (name) => {
    const exact = byName.get(name);
    if (exact || disabled.has(name)) return exact;
    const known = matches.get(name);
    if (known) return known;
    const place = index.longestPattern(name);
    const pattern = place === undefined ? undefined : (entries[place] as Model);
    if (!pattern || disabled.has(pattern.name)) return undefined;
    const found: Resolution = {
      model: fillPattern(pattern, name),
      steps: [{ by: 'pattern', from: pattern.name, to: name }],
    };
    matches.set(name, found);
    return found;
  };
}

function checkPattern(name: string, entry: ParsedConfig['models'][string], issues: ConfigIssue[]): void {
  if (entry.aliases.length > 0) {
    issues.push({ path: `models.${name}.aliases`, message: 'a pattern cannot have aliases' });
  }
  if (entry.family !== undefined) {
    issues.push({ path: `models.${name}.family`, message: 'a pattern cannot belong to a family' });
  }
}

function newestFirst(one: Model, other: Model): number {
  return (
    (other.releasedAtMs ?? 0) - (one.releasedAtMs ?? 0) ||
    (other.version ?? '').localeCompare(one.version ?? '', 'en', { numeric: true }) ||
    other.name.localeCompare(one.name, 'en', { numeric: true })
  );
}
