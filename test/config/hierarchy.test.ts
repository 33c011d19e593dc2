import fc from 'fast-check';
import type { GatewayConfig } from 'headgate';
import { describe, expect, it } from 'vitest';
import type { Snapshot } from '../../src/config/snapshot.ts';
import { createPrincipal, type PrincipalInput } from '../../src/principal.ts';
import { compile, small } from './compile.ts';

const model = { targets: ['openai'], price: { input: 1, output: 1 } };
const names = ['gpt-4', 'gpt-4-mini', 'gpt-5', 'claude-3', 'claude-4', 'o3'];
const limit = (amount: number) => ({ unit: 'requests', amount, window: '1m' }) as const;
const base: GatewayConfig = {
  ...small,
  models: { ...Object.fromEntries(names.map((name) => [name, model])), 'ft:*': model },
};
const who = (more: Partial<PrincipalInput> = {}) =>
  createPrincipal({ source: 'key', key: 'kid', team: 'payments', ...more });
const usable = (snapshot: Snapshot, more: Partial<PrincipalInput> = {}) => {
  const policy = snapshot.policyFor(who(more))!;
  return [...names, 'ft:one', 'ft:two'].filter((name) => snapshot.resolveModel(name, policy, 0));
};

describe('what a key may use', () => {
  const snapshot = compile({
    ...base,
    organisation: { models: ['gpt-*', 'claude-*', 'ft:*'] },
    profiles: { standard: { models: ['gpt-*', 'claude-3', 'o3', 'ft:*'] }, small: { models: ['*'] } },
    projects: {
      checkout: { team: 'payments', models: ['gpt-4*', 'claude-*', 'ft:one'] },
      open: { team: 'payments', profile: 'small' },
    },
    users: { ada: { models: ['gpt-4', 'claude-*', 'ft:one'] } },
  });

  it.each<[string, Partial<PrincipalInput>, string[]]>([
    [
      'is what organisation and profile share',
      {},
      ['gpt-4', 'gpt-4-mini', 'gpt-5', 'claude-3', 'ft:one', 'ft:two'],
    ],
    ['is narrowed by its project', { project: 'checkout' }, ['gpt-4', 'gpt-4-mini', 'claude-3', 'ft:one']],
    [
      "is not widened by its project's profile",
      { project: 'open' },
      ['gpt-4', 'gpt-4-mini', 'gpt-5', 'claude-3', 'ft:one', 'ft:two'],
    ],
    ['is narrowed by its user', { user: 'ada' }, ['gpt-4', 'claude-3', 'ft:one']],
    ['is narrowed by itself', { models: ['gpt-5', 'ft:two', 'o3'] }, ['gpt-5', 'ft:two']],
    ['is narrowed by all of them', { project: 'checkout', user: 'ada', models: ['claude-*'] }, ['claude-3']],
    ['is nothing when they share nothing', { project: 'checkout', models: ['gpt-5'] }, []],
    ['is nothing when the key names nothing', { models: [] }, []],
  ])('%s', (_, more, expected) => expect(usable(snapshot, more)).toEqual(expected));

  it('is listed as it is found', () => {
    const policy = snapshot.policyFor(who({ project: 'checkout' }))!;
    expect(snapshot.listModels(policy, 0).map(({ id }) => id)).toEqual(['gpt-4', 'gpt-4-mini', 'claude-3']);
  });

  it('is nothing at all in a team that is not configured, or in a project of no or another team', () => {
    const other = compile({
      ...base,
      teams: { payments: { profile: 'standard' }, web: { profile: 'standard' } },
      projects: { site: { team: 'web' } },
    });
    expect(other.policyFor(who({ team: 'nobody' }))).toBeUndefined();
    expect(other.policyFor(who({ team: 'constructor' }))).toBeUndefined();
    expect(other.policyFor(who({ project: 'none' }))).toBeUndefined();
    expect(other.policyFor(who({ project: 'site' }))).toBeUndefined();
    expect(other.policyFor(who({ team: 'web', project: 'site' }))).toBeDefined();
    // without any project in the configuration it is a label
    expect(compile(base).policyFor(who({ project: 'none' }))).toBeDefined();
  });
});

describe('the limits of a key', () => {
  const snapshot = compile({
    ...base,
    limits: [limit(1)],
    teams: { payments: { profile: 'standard', limits: [limit(2)] } },
    profiles: { standard: { limits: [limit(3)] }, small: { limits: [limit(5)] } },
    projects: { checkout: { team: 'payments', profile: 'small', limits: [limit(4)] } },
    users: { ada: { limits: [limit(6)] } },
  });

  it('are those of organisation, team, profile, project, its profile, user and key, each by whom it stands at', () => {
    const policy = snapshot.policyFor(who({ project: 'checkout', user: 'ada', limits: [limit(7)] }))!;
    expect(policy.limits.map(({ amount, per }) => [amount, ...per])).toEqual([
      [1, 'organisation'],
      [2, 'team'],
      [3, 'key'],
      [4, 'project'],
      [5, 'key'],
      [6, 'user'],
      [7, 'key'],
    ]);
    expect(policy.origins.limits).toEqual([
      'limits[0]',
      'teams.payments.limits[0]',
      'profiles.standard.limits[0]',
      'projects.checkout.limits[0]',
      'profiles.small.limits[0]',
      'users.ada.limits[0]',
      'key kid',
    ]);
    expect(new Set(policy.limits.map(({ prefix }) => prefix)).size).toBe(7);
  });

  it('count once when a project has the profile of its team', () => {
    const same = compile({
      ...base,
      profiles: { standard: { limits: [limit(3)] } },
      projects: { checkout: { team: 'payments', profile: 'standard' } },
    });
    expect(same.policyFor(who({ project: 'checkout' }))!.limits).toHaveLength(1);
  });

  it('that a key has twice are the tighter one', () => {
    const policy = snapshot.policyFor(who({ limits: [limit(9), limit(7), limit(8)] }))!;
    expect(policy.limits.map(({ amount }) => amount)).toEqual([1, 2, 3, 7]);
  });

  it('need a price wherever they are in money: of a project, its profile and a user too', () => {
    const usd = { unit: 'usd', amount: 1, window: '1d' } as const;
    const free = { targets: ['openai'] };
    const parts: Partial<GatewayConfig>[] = [
      { projects: { checkout: { team: 'payments', limits: [usd] } } },
      {
        projects: { checkout: { team: 'payments', profile: 'small' } },
        profiles: { standard: {}, small: { limits: [usd] } },
      },
      { users: { ada: { limits: [usd] } } },
    ];
    for (const part of parts) {
      expect(() => compile({ ...base, models: { ...base.models, free }, ...part })).toThrow(
        'models.free.price: the limit',
      );
      // nobody under that limit reaches the model
      const narrowed = {
        ...base,
        models: { ...base.models, free },
        ...part,
        organisation: { models: ['gpt-*'] },
      };
      expect(() => compile(narrowed)).not.toThrow();
    }
  });
});

describe('billing, capture and metadata', () => {
  const policyOf = (config: Partial<GatewayConfig>) =>
    compile({ ...base, ...config }).policyFor(who({ project: 'checkout' }))!;

  it('are standard, none and nothing by default', () => {
    const policy = compile(base).policyOf('payments')!;
    expect([policy.billing, policy.capture, policy.requiredMetadata]).toEqual(['standard', 'none', []]);
    expect(policy.origins).toMatchObject({
      profile: 'teams.payments.profile',
      billing: 'default',
      capture: 'default',
    });
  });

  it('take the billing mode that is said nearest', () => {
    const organisation = { billing: 'byok' } as const;
    const standard = { billing: 'passthrough' } as const;
    const checkout = { team: 'payments' };
    expect(policyOf({ organisation, projects: { checkout } })).toMatchObject({
      billing: 'byok',
      origins: { billing: 'organisation.billing' },
    });
    expect(policyOf({ organisation, profiles: { standard }, projects: { checkout } })).toMatchObject({
      billing: 'passthrough',
      origins: { billing: 'profiles.standard.billing' },
    });
    expect(
      policyOf({
        organisation,
        profiles: { standard, other: { billing: 'byok' } },
        projects: { checkout: { ...checkout, profile: 'other' } },
      }).origins.billing,
    ).toBe('profiles.other.billing');
    expect(
      policyOf({ profiles: { standard }, projects: { checkout: { ...checkout, billing: 'standard' } } }),
    ).toMatchObject({ billing: 'standard', origins: { billing: 'projects.checkout.billing' } });
  });

  it('capture content only when some level says so and none forbids it', () => {
    const captureOf = (organisation: object, standard: object, project: object) => {
      const policy = policyOf({
        organisation,
        profiles: { standard },
        projects: { checkout: { team: 'payments', ...project } },
      });
      return [policy.capture, policy.origins.capture];
    };
    const full = { capture: 'full' };
    const none = { capture: 'none' };
    expect(captureOf({}, {}, {})).toEqual(['none', 'default']);
    expect(captureOf({}, full, {})).toEqual(['full', 'profiles.standard.capture']);
    expect(captureOf(none, full, full)).toEqual(['none', 'organisation.capture']);
    expect(captureOf(full, full, none)).toEqual(['none', 'projects.checkout.capture']);
  });

  it('ask for the metadata that any level asks for', () => {
    const policy = policyOf({
      organisation: { metadata: { required: ['cost-centre'] } },
      profiles: { standard: { metadata: { required: ['ticket', 'cost-centre'] } } },
      projects: { checkout: { team: 'payments', metadata: { required: ['release'] } } },
    });
    expect(policy.requiredMetadata).toEqual(['cost-centre', 'ticket', 'release']);
    expect(policy.origins.requiredMetadata).toEqual([
      'organisation.metadata.required',
      'profiles.standard.metadata.required',
      'projects.checkout.metadata.required',
    ]);
  });

  it('keep the MCP servers of profile and project apart, to be met by both', () => {
    const policy = policyOf({
      profiles: { standard: { mcpServers: ['jira', 'github-*'] } },
      projects: { checkout: { team: 'payments', mcpServers: ['jira'] } },
    });
    expect(policy.mcpServers).toEqual([
      { origin: 'profiles.standard.mcpServers', patterns: ['jira', 'github-*'] },
      { origin: 'projects.checkout.mcpServers', patterns: ['jira'] },
    ]);
  });
});

describe('a policy', () => {
  it('is computed once for a principal in a snapshot, and shared by all that say nothing of their own', () => {
    const snapshot = compile({ ...base, users: { ada: {} } });
    const [one, other] = [who({ key: 'a', user: 'bob' }), who({ key: 'b', user: 'eve' })];
    expect(snapshot.policyFor(one)).toBe(snapshot.policyFor(one));
    expect(snapshot.policyFor(one)).toBe(snapshot.policyFor(other));
    expect(snapshot.policyFor(one)).toBe(snapshot.policyOf('payments'));
    expect(snapshot.policyFor(who({ user: 'ada' }))).not.toBe(snapshot.policyOf('payments'));
    expect(compile(base).policyFor(one)).not.toBe(snapshot.policyFor(one));
  });

  it('never permits a model or drops a limit that the profile would not, whatever project, user and key say', () => {
    const stems = ['gpt-4', 'gpt-4-mini', 'gpt-5', 'claude-3', 'o3'];
    const pattern = fc.constantFrom(...stems, 'gpt-*', 'gpt-4*', 'claude-*', 'ft:*', 'f*', '*', 'ft:one');
    const patterns = fc.array(pattern, { maxLength: 4 });
    const maybe = fc.option(patterns, { nil: undefined });
    const limits = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 1 });
    const asLimits = (amounts: readonly number[]) => amounts.map(limit);
    fc.assert(
      fc.property(
        fc.record({
          organisation: maybe,
          profile: fc.array(pattern, { minLength: 1, maxLength: 4 }),
          second: fc.option(patterns, { nil: undefined }),
          project: maybe,
          user: maybe,
          key: maybe,
          limits: fc.tuple(limits, limits, limits, limits, limits, limits, limits),
        }),
        (given) => {
          const [atTop, ofTeam, ofProfile, ofSecond, ofProject, ofUser, ofKey] = given.limits.map(asLimits);
          const narrowing = (models: readonly string[] | undefined) =>
            models ? { models: [...models] } : {};
          const config: GatewayConfig = {
            ...base,
            // the other team may always use o3: the configuration locks nobody out
            organisation: narrowing(given.organisation && [...given.organisation, 'o3']),
            profiles: {
              standard: { models: given.profile, limits: ofProfile! },
              second: { ...narrowing(given.second), limits: ofSecond! },
              all: {},
            },
            teams: { payments: { profile: 'standard', limits: ofTeam! }, web: { profile: 'all' } },
            projects: {
              plain: { team: 'payments' },
              checkout: {
                team: 'payments',
                limits: ofProject!,
                ...narrowing(given.project),
                ...(given.second && { profile: 'second' }),
              },
            },
            users: { ada: { ...narrowing(given.user), limits: ofUser! } },
            limits: atTop!,
          };
          const snapshot = compile(config);
          const team = snapshot.policyOf('payments')!;
          const bare = usable(snapshot);
          for (const project of [undefined, 'plain', 'checkout']) {
            for (const user of [undefined, 'ada', 'bob']) {
              for (const key of [undefined, given.key]) {
                const more = { project, user, models: key, limits: ofKey! };
                const policy = snapshot.policyFor(who(more))!;
                const permitted = usable(snapshot, more);
                expect(bare).toEqual(expect.arrayContaining(permitted));
                expect(policy.limits).toEqual(expect.arrayContaining([...team.limits]));
                // and every list that concerns the caller holds for every model it may use
                for (const { patterns: list } of policy.models) {
                  for (const name of permitted) {
                    expect(
                      list.some((one) =>
                        one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : one === name,
                      ),
                    ).toBe(true);
                  }
                }
                const lists = [given.profile, key, project === 'checkout' ? given.project : undefined];
                expect(policy.models.length).toBeGreaterThanOrEqual(
                  lists.filter((list) => list !== undefined).length,
                );
              }
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
