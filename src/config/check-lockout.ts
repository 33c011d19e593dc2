import type { Catalog } from './catalog.ts';
import type { ConfigIssue } from './config-error.ts';
import { createBits, intersect, isEmpty, setBit } from './model-set.ts';
import type { Policies } from './policies.ts';
import type { ParsedConfig } from './schema.ts';

/**
 * Refuses a configuration under which nobody could use anything. One team without models is suspended; all of them
 * without is a mistake. A configuration with neither teams nor anything that belongs to one is accepted, for
 * a gateway that knows its callers in another way.
 */
export function checkLockout(
  config: ParsedConfig,
  catalog: Catalog,
  { levels }: Policies,
  issues: ConfigIssue[],
): void {
  if (Object.keys(config.providers).length === 0) {
    issues.push({
      path: 'providers',
      message: 'no provider is configured, so nothing could be served; add one',
    });
    return;
  }
  const enabled = createBits(catalog.entries.length);
  let isAnyEnabled = false;
  for (const { index, name } of catalog.entries) {
    if (catalog.isDisabled(name)) continue;
    setBit(enabled, index);
    isAnyEnabled = true;
  }
  if (!isAnyEnabled) {
    issues.push({ path: 'models', message: 'no model is enabled, so nothing could be served; enable one' });
    return;
  }
  if (levels.teams.size === 0) {
    const waiting = (['profiles', 'projects', 'users'] as const).find(
      (section) => Object.keys(config[section]).length > 0,
    );
    if (!waiting) return;
    const message = `there are ${waiting} and no team, so nobody could use this gateway; add a team with a profile`;
    issues.push({ path: 'teams', message });
    return;
  }
  const { organisation, profiles, teams } = levels;
  const bitsOf = (models: readonly string[] | undefined) => models && catalog.sets.shared(models).bits();
  const used = new Set([...teams.values()].map(({ profile }) => profile));
  for (const name of used) {
    const permitted = intersect(enabled, bitsOf(organisation.models), bitsOf(profiles.get(name)?.models));
    if (permitted && !isEmpty(permitted)) return;
  }
  issues.push({
    path: 'teams',
    message: 'no team may use any enabled model, so nobody could use this gateway; add models to a profile',
  });
}
