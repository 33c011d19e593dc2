import type { Catalog } from './catalog.ts';
import { compileLimits } from './compile-limits.ts';
import type { ConfigIssue } from './config-error.ts';
import { suggest } from './nearest-name.ts';
import type { ConfiguredProvider } from './providers.ts';
import type { Affinity, Choice, MirrorRule, Route, RouteTarget, Strategy } from './route.ts';
import { compileRouteTarget } from './route-target.ts';
import type { ParsedConfig, RouteConfig } from './schema.ts';

/** Active routes, and the names of inactive ones. */
export interface Routes {
  /** In their order. */
  readonly active: readonly Route[];
  readonly inactive: readonly string[];
}

/** Compiles the routes and checks what they refer to. Inactive ones are checked too. */
export function compileRoutes(
  config: ParsedConfig,
  catalog: Catalog,
  providers: ReadonlyMap<string, ConfiguredProvider>,
  issues: ConfigIssue[],
): Routes {
  const active: Route[] = [];
  const inactive: string[] = [];
  const names = new Set<string>();
  for (const [index, entry] of config.routes.entries()) {
    const path = `routes[${index}]`;
    if (names.has(entry.name)) {
      issues.push({
        path: `${path}.name`,
        message: `the name "${entry.name}" is used twice; give each its own`,
      });
    }
    names.add(entry.name);
    checkNames(entry, path, config, issues);
    const route = compileRoute(entry, path, catalog, providers, issues);
    if (entry.active) active.push(route);
    else inactive.push(entry.name);
  }
  return { active, inactive };
}

function compileRoute(
  entry: RouteConfig,
  path: string,
  catalog: Catalog,
  providers: ReadonlyMap<string, ConfiguredProvider>,
  issues: ConfigIssue[],
): Route {
  const compile = (target: Parameters<typeof compileRouteTarget>[0], at: string): RouteTarget | undefined =>
    compileRouteTarget(target, at, catalog, providers, issues);
  const tierOf = (
    targets: NonNullable<RouteConfig['targets']>,
    at: string,
    choice: Pick<RouteConfig, 'strategy' | 'sticky'>,
  ) => ({
    ...toChoice(choice, 'weighted'),
    targets: targets.flatMap((target, place) => compile(target, `${at}[${place}]`) ?? []),
  });
  const tiers = entry.targets
    ? [tierOf(entry.targets, `${path}.targets`, entry)]
    : entry.tiers?.map((tier, place) => tierOf(tier.targets, `${path}.tiers[${place}].targets`, tier));
  return {
    name: entry.name,
    path,
    match: entry.match,
    tiers,
    own: toChoice(entry, 'order'),
    regions: entry.regions,
    forwarding: entry.forwarding,
    mirror: entry.mirror && compileMirror(entry.name, entry.mirror, `${path}.mirror`, compile, issues),
  };
}

const stickyByDefault: readonly Affinity[] = ['session', 'cache'];

function toChoice(
  { strategy, sticky }: Pick<RouteConfig, 'strategy' | 'sticky'>,
  byDefault: Strategy,
): Choice {
  const chosen = strategy ?? (sticky ? 'weighted' : byDefault);
  return { strategy: chosen, sticky: chosen === 'weighted' ? (sticky ?? stickyByDefault) || [] : [] };
}

function compileMirror(
  name: string,
  { target, share, maxConcurrent, timeoutMs, limits }: NonNullable<RouteConfig['mirror']>,
  path: string,
  compile: (target: NonNullable<RouteConfig['targets']>[number], at: string) => RouteTarget | undefined,
  issues: ConfigIssue[],
): MirrorRule | undefined {
  const budget = limits.findIndex(({ unit }) => unit === 'usd');
  if (budget >= 0 && (typeof target === 'string' || !target.price)) {
    const message = `the limit at ${path}.limits[${budget}] is in usd, so the target needs a price of its own`;
    issues.push({ path: `${path}.target`, message });
  }
  const compiled = compile(target, `${path}.target`);
  const budgets = compileLimits(limits, `${path}.limits`, `mirror ${name}`, 'organisation', issues);
  return compiled && { target: compiled, share, maxConcurrent, timeoutMs, limits: budgets };
}

/** Teams and projects must be in the configuration: a misspelt one would silently never match. */
function checkNames({ match }: RouteConfig, path: string, config: ParsedConfig, issues: ConfigIssue[]): void {
  const check = (given: readonly string[] | undefined, field: 'teams' | 'projects', one: string) => {
    const known = Object.keys(config[field]);
    // without configured projects, the project of a key is a label
    if (field === 'projects' && known.length === 0) return;
    for (const [index, name] of (given ?? []).entries()) {
      if (name.endsWith('*') || Object.hasOwn(config[field], name)) continue;
      const message = `no ${one} "${name}" is configured${suggest(name, known)}`;
      issues.push({ path: `${path}.match.${field}[${index}]`, message });
    }
  };
  check(match.teams, 'teams', 'team');
  check(match.projects, 'projects', 'project');
}
