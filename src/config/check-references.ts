import type { Catalog } from './catalog.ts';
import type { ConfigIssue } from './config-error.ts';
import { nearestName } from './nearest-name.ts';
import { matchesAny } from './patterns.ts';
import type { Policies } from './policies.ts';
import type { LimitConfig, ParsedConfig } from './schema.ts';

/** A suggestion compares a name with all others: enough for a person, bounded for a file that is wrong throughout. */
const maxSuggestions = 50;

/** Checks that every referenced name exists. */
export function checkReferences(
  config: ParsedConfig,
  catalog: Catalog,
  policies: Policies,
  issues: ConfigIssue[],
): void {
  let suggestions = 0;
  const names = [...catalog.byName.keys(), ...catalog.families.keys()];
  const report = (path: string, message: string, wrong: string) => {
    const nearest = suggestions++ < maxSuggestions ? nearestName(wrong, names) : undefined;
    issues.push({
      path,
      message: nearest === undefined ? message : `${message}; did you mean "${nearest}"?`,
    });
  };

  const checkNames = (patterns: readonly string[] | undefined, path: string) => {
    for (const [index, name] of (patterns ?? []).entries()) {
      if (name.endsWith('*')) continue;
      const kind = catalog.kindOf(name);
      if (kind === 'model' || kind === 'pattern') continue;
      if (kind === 'alias') {
        const model = catalog.find(name)?.model.name;
        const instead = model === undefined ? 'name the model itself' : `name "${model}"`;
        issues.push({ path: `${path}[${index}]`, message: `"${name}" is an alias; ${instead}` });
      } else if (catalog.families.has(name)) {
        const message = `"${name}" is a family; name its members, or all of them by a pattern such as "${name}*"`;
        issues.push({ path: `${path}[${index}]`, message });
      } else {
        report(`${path}[${index}]`, `no model "${name}" is configured`, name);
      }
    }
  };
  const checkLimits = (limits: readonly Pick<LimitConfig, 'models'>[], path: string) => {
    for (const [index, limit] of limits.entries()) checkNames(limit.models, `${path}[${index}].models`);
  };

  for (const [name, { replacement }] of Object.entries(config.models)) {
    if (replacement === undefined || catalog.kindOf(replacement) || catalog.families.has(replacement))
      continue;
    report(`models.${name}.replacement`, `no model "${replacement}" is configured`, replacement);
  }
  for (const [index, { match, mirror }] of config.routes.entries()) {
    checkNames(match.models, `routes[${index}].match.models`);
    if (mirror) checkLimits(mirror.limits, `routes[${index}].mirror.limits`);
  }
  checkNames(config.organisation.models, 'organisation.models');
  checkLimits(config.limits, 'limits');
  for (const section of ['profiles', 'projects', 'users'] as const) {
    for (const [name, { models, limits }] of Object.entries(config[section])) {
      checkNames(models, `${section}.${name}.models`);
      checkLimits(limits, `${section}.${name}.limits`);
    }
  }
  for (const [name, { limits }] of Object.entries(config.teams)) checkLimits(limits, `teams.${name}.limits`);
  for (const [name, { limits, credentials = [] }] of Object.entries(config.providers)) {
    checkLimits(limits, `providers.${name}.limits`);
    for (const [index, own] of credentials.entries())
      checkLimits(own.limits, `providers.${name}.credentials[${index}].limits`);
  }
  checkPins(catalog, policies, report, issues);
}

function checkPins(
  catalog: Catalog,
  { levels }: Policies,
  report: (path: string, message: string, wrong: string) => void,
  issues: ConfigIssue[],
): void {
  for (const { path, pins = {}, models = ['*'] } of levels.profiles.values()) {
    for (const [name, pinned] of Object.entries(pins)) {
      const at = `${path}.pins.${name}`;
      if (catalog.kindOf(name) !== 'alias' && !catalog.families.has(name)) {
        report(at, `"${name}" is neither a family nor an alias, so nothing can be pinned for it`, name);
        continue;
      }
      // a disabled one still exists: it answers 404 until it is enabled again
      const kind = catalog.kindOf(pinned);
      if (kind === undefined || kind === 'alias') {
        report(at, `no model "${pinned}" is configured`, pinned);
        continue;
      }
      if (!matchesAny(models, pinned)) {
        const message = `the profile does not permit "${pinned}"; add it to ${path}.models, or pin another model`;
        issues.push({ path: at, message });
      }
    }
  }
}

/** Checks that keys belong to a team and one of its projects, and share no id. */
export function checkKeys(config: ParsedConfig, issues: ConfigIssue[]): void {
  const seen = new Set<string>();
  const hasProjects = Object.keys(config.projects).length > 0;
  for (const [index, { kid, team, project }] of config.keys.entries()) {
    const path = `keys[${index}]`;
    if (seen.has(kid)) issues.push({ path: `${path}.kid`, message: `the id "${kid}" is used twice` });
    seen.add(kid);
    if (!Object.hasOwn(config.teams, team)) {
      issues.push({
        path: `${path}.team`,
        message: `no team "${team}" is configured${meant(team, config.teams)}`,
      });
      continue;
    }
    if (project === undefined || !hasProjects) continue;
    if (!Object.hasOwn(config.projects, project)) {
      const message = `no project "${project}" is configured${meant(project, config.projects)}`;
      issues.push({ path: `${path}.project`, message });
    } else if (config.projects[project]?.team !== team) {
      const message = `the project "${project}" belongs to the team "${config.projects[project]?.team}", and the key to "${team}"`;
      issues.push({ path: `${path}.project`, message });
    }
  }
}

function meant(wrong: string, known: object): string {
  const nearest = nearestName(wrong, Object.keys(known));
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}
