import { describe, expect, it } from 'vitest';
import { compileCatalog } from '../../src/config/catalog.ts';
import { checkLockout } from '../../src/config/check-lockout.ts';
import { checkPrices } from '../../src/config/check-prices.ts';
import { checkReferences } from '../../src/config/check-references.ts';
import type { ConfigIssue } from '../../src/config/config-error.ts';
import { createBits, intersect, placesOf, setBit } from '../../src/config/model-set.ts';
import { createNameIndex } from '../../src/config/name-index.ts';
import { matchesPattern, overlaps } from '../../src/config/patterns.ts';
import { compilePolicies } from '../../src/config/policies.ts';
import { compileProviders } from '../../src/config/providers.ts';
import { createModelResolver } from '../../src/config/resolve-model.ts';
import { configSchema } from '../../src/config/schema.ts';
import { createPrincipal } from '../../src/principal.ts';
import { builtInProviders } from '../../src/providers/index.ts';
import { makeLargeConfig } from './large-config.ts';

/** The parts of a compilation, with its count of the catalog entries that were looked at. */
function compileParts(models: number, profiles: number) {
  const config = configSchema().parse(makeLargeConfig(models, profiles));
  const issues: ConfigIssue[] = [];
  const providers = compileProviders(
    config,
    { id: 'v', providers: builtInProviders, environment: {} },
    issues,
  );
  const catalog = compileCatalog(config, providers, 1_000, issues);
  const policies = compilePolicies(config, catalog, 10_000, issues);
  checkReferences(config, catalog, policies, issues);
  checkPrices(catalog, policies, issues);
  checkLockout(config, catalog, policies, issues);
  expect(issues).toEqual([]);
  return { config, catalog, policies, resolver: createModelResolver(catalog) };
}

const who = (index: number) => createPrincipal({ source: 'key', key: `k${index}`, team: `team-${index}` });

describe('a configuration of 1,000 profiles and 2,000 models', () => {
  const { config, catalog, policies, resolver } = compileParts(2_000, 1_000);
  const nowMs = Date.parse('2026-01-01');

  it('is checked with a look at a few entries for each profile, not at each model for each profile', () => {
    expect(catalog.sets.visits).toBeLessThan(20 * 1_000);
  });

  it('costs nothing for a policy that nobody asks for, and the matches of its patterns for one that is', () => {
    const before = catalog.sets.visits;
    const policy = policies.of(who(1))!;
    expect(catalog.sets.visits).toBe(before);
    resolver.resolve('family-1', policy, nowMs);
    // eleven names and ten patterns of ten entries each
    expect(catalog.sets.visits - before).toBeLessThanOrEqual(11 + 10 * 10);
  });

  it('looks at no entry any more once a policy was asked', () => {
    const policy = policies.of(who(2))!;
    const names = Object.keys(config.models).flatMap((name, index) => [name, `alias-${index}`, `${name}-x`]);
    resolver.list(policy, nowMs);
    const before = catalog.sets.visits;
    for (const name of names) resolver.resolve(name, policy, nowMs);
    resolver.list(policy, nowMs);
    expect(catalog.sets.visits).toBe(before);
  });

  it('decides as comparing every pattern with every name would', () => {
    for (const index of [0, 1, 500, 999]) {
      const policy = policies.of(who(index))!;
      const { models } = config.profiles[`profile-${index}`]!;
      for (const name of Object.keys(config.models)) {
        const expected = models.some((pattern) => matchesPattern(pattern, name));
        expect(resolver.resolve(name, policy, nowMs) !== undefined, `${index}: ${name}`).toBe(expected);
      }
    }
  });

  it('keeps as many policies as were asked for, up to its bound', () => {
    const few = compilePolicies(config, catalog, 2, []);
    const [one] = [few.ofTeam('team-1'), few.ofTeam('team-2')];
    expect(few.ofTeam('team-1')).toBe(one);
    few.ofTeam('team-3');
    few.ofTeam('team-4');
    expect(few.ofTeam('team-1')).not.toBe(one);
  });
});

describe('an index of names', () => {
  const names = ['a', 'ab', 'abc', 'b', 'abd', 'ab*', 'a*', 'abc*', '*', 'zz*', 'z'];
  const index = createNameIndex(names);

  it.each(['a', 'ab', 'abc', 'abcd', 'zz', 'zzz', '', '*', 'a*', 'ab*', 'abx*', 'zz*', 'zzz*', 'q*', 'q'])(
    'finds for %j what comparing with every name finds',
    (pattern) => {
      const found = new Set<number>();
      index.eachOverlap(pattern, (place) => found.add(place));
      const expected = names.flatMap((name, place) => (overlaps(pattern, name) ? [place] : []));
      expect([...found].sort((one, other) => one - other)).toEqual(expected);
    },
  );

  it('knows the longest pattern', () => {
    expect(['abcd', 'abd', 'ax', 'zzz', 'q'].map((name) => names[index.longestPattern(name)!])).toEqual([
      'abc*',
      'ab*',
      'a*',
      'zz*',
      '*',
    ]);
    expect(createNameIndex(['a', 'b*']).longestPattern('a')).toBeUndefined();
  });
});

describe('bits', () => {
  it('are set, shared and told, at the ends of words too', () => {
    const [one, other] = [createBits(70), createBits(70)];
    for (const place of [0, 31, 32, 63, 69]) setBit(one, place);
    for (const place of [31, 33, 63]) setBit(other, place);
    expect(placesOf(one)).toEqual([0, 31, 32, 63, 69]);
    expect(placesOf(intersect(one, undefined, other)!)).toEqual([31, 63]);
    expect(intersect(undefined)).toBeUndefined();
  });
});
