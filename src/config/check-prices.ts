import { lazily } from '../lazily.ts';
import type { Limit } from '../limits/limit.ts';
import type { Catalog } from './catalog.ts';
import type { ConfigIssue } from './config-error.ts';
import type { Level } from './levels.ts';
import { createBits, hasBit, intersect, isEmpty, placesOf, setBit, unite } from './model-set.ts';
import type { Levels, Policies } from './policies.ts';
import type { ConfiguredProvider } from './providers.ts';

/**
 * A budget can only hold if every request it covers has a price: without one, it would be free.
 *
 * Costs one pass over the catalog's bits for each `usd` limit, not one comparison for each model and policy.
 */
export function checkPrices(catalog: Catalog, { levels }: Policies, issues: ConfigIssue[]): void {
  const unpriced = createBits(catalog.entries.length);
  let isAnyUnpriced = false;
  for (const { index, name, price } of catalog.entries) {
    if (price || catalog.isDisabled(name)) continue;
    setBit(unpriced, index);
    isAnyUnpriced = true;
  }
  if (!isAnyUnpriced) return;

  const reported = createBits(catalog.entries.length);
  for (const { limits, reach } of [...budgetsOf(levels, catalog), ...upstreamBudgetsOf(catalog)]) {
    for (const limit of limits) {
      // most limits that name models end here, before computing who may use them
      const concerned = intersect(unpriced, limit.models && catalog.sets.shared(limit.models).bits());
      if (!concerned || isEmpty(concerned)) continue;
      const covered = intersect(concerned, reach()) as Uint32Array;
      for (const place of placesOf(covered)) {
        if (hasBit(reported, place)) continue;
        const message = `the limit "${limit.label}" covers this model, so it needs a price`;
        issues.push({ path: `models.${catalog.entries[place]?.name}.price`, message });
      }
      unite(reported, covered);
    }
  }
}

/** Budgets of one level, and the models that they can cover. */
interface Budgets {
  readonly limits: readonly Limit[];
  readonly reach: () => Uint32Array | undefined;
}

function budgetsOf(levels: Levels, { sets, entries }: Catalog): Budgets[] {
  const bitsOf = (level: Level | undefined) => level?.models && sets.shared(level.models).bits();
  const { organisation, profiles, teams, projects, users } = levels;
  const used = new Set([...teams.values()].map(({ profile }) => profile));
  const everywhere = lazily(() => {
    const all = createBits(entries.length);
    for (const name of used) {
      const bits = bitsOf(profiles.get(name));
      if (bits) unite(all, bits);
    }
    return intersect(all, bitsOf(organisation));
  });
  const ofTeam = (team: string) => profiles.get(teams.get(team)?.profile ?? '');
  const found: Budgets[] = [{ limits: usdOf(organisation), reach: everywhere }];
  const add = (level: Level, ...narrowedBy: readonly (Level | undefined)[]) => {
    const limits = usdOf(level);
    if (limits.length === 0) return;
    const all = [organisation, level, ...narrowedBy];
    found.push({ limits, reach: lazily(() => intersect(...all.map(bitsOf))) });
  };
  for (const [team, { level }] of teams) add(level, ofTeam(team));
  for (const name of used) {
    const profile = profiles.get(name);
    if (profile) add(profile);
  }
  for (const { team, profile, level } of projects.values()) {
    const second = profile === undefined ? undefined : profiles.get(profile);
    add(level, ofTeam(team), second);
    if (second) add(second, ofTeam(team), level);
  }
  for (const level of users.values()) {
    const limits = usdOf(level);
    found.push({ limits, reach: lazily(() => intersect(everywhere(), bitsOf(level))) });
  }
  return found;
}

/** Budgets of providers and their credentials cover every model with a target there, whoever may use it. */
function upstreamBudgetsOf({ entries }: Catalog): Budgets[] {
  const reached = new Map<ConfiguredProvider, Uint32Array>();
  for (const { index, targets } of entries) {
    for (const { provider } of targets) {
      const bits = reached.get(provider) ?? createBits(entries.length);
      reached.set(provider, bits);
      setBit(bits, index);
    }
  }
  return [...reached].flatMap(([{ limits, credentials }, bits]) =>
    [limits, ...credentials.map((credential) => credential.limits ?? [])].map((limits) => ({
      limits: usdOf({ limits }),
      reach: () => bits,
    })),
  );
}

function usdOf({ limits }: Pick<Level, 'limits'>): Limit[] {
  return limits.filter(({ unit }) => unit === 'usd');
}
