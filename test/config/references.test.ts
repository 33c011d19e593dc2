import { describe, expect, it } from 'vitest';
import { nearestName } from '../../src/config/nearest-name.ts';
import { makeKey } from '../harness.ts';
import { issuesOf, small } from './compile.ts';

const model = { targets: ['openai'] };
const base = {
  ...small,
  models: {
    'gpt-4.1': { ...model, aliases: ['best'] },
    'claude-sonnet-4': { ...model, family: 'claude-sonnet' },
    'claude-sonnet-5': { ...model, family: 'claude-sonnet', enabled: false },
    'o*': model,
  },
};
const profile = (standard: object) => ({ ...base, profiles: { standard } });
const { record } = makeKey('payments');

describe('a configuration that refers to what is not there', () => {
  it.each<[string, unknown, string]>([
    [
      'a model of a profile, with the one that was meant',
      profile({ models: ['gpt-4.1', 'claude-sonet-4'] }),
      'profiles.standard.models[1]: no model "claude-sonet-4" is configured; did you mean "claude-sonnet-4"?',
    ],
    [
      'a model of a profile that resembles none',
      profile({ models: ['gpt-4.1', 'mistral-large'] }),
      'profiles.standard.models[1]: no model "mistral-large" is configured',
    ],
    [
      'an alias in place of its model',
      profile({ models: ['best'] }),
      'profiles.standard.models[0]: "best" is an alias; name "gpt-4.1"',
    ],
    [
      'a family in place of its members',
      profile({ models: ['claude-sonnet'] }),
      'profiles.standard.models[0]: "claude-sonnet" is a family; name its members, or all of them by a pattern such as "claude-sonnet*"',
    ],
    [
      'a model of a limit',
      profile({ limits: [{ unit: 'requests', amount: 1, window: '1m', models: ['gpt-4.2'] }] }),
      'profiles.standard.limits[0].models[0]: no model "gpt-4.2" is configured; did you mean "gpt-4.1"?',
    ],
    [
      'a model of the organisation',
      { ...base, organisation: { models: ['x'] } },
      'organisation.models[0]: no model "x" is configured',
    ],
    [
      'a model of a user',
      { ...base, users: { 'ada@example.org': { models: ['x'] } } },
      'users.ada@example.org.models[0]: ',
    ],
    [
      'a replacement',
      { ...base, models: { 'gpt-4.1': { ...model, replacement: 'gpt-6' } } },
      'models.gpt-4.1.replacement: no model "gpt-6" is configured',
    ],
    [
      'the team of a project',
      { ...base, projects: { checkout: { team: 'payment' } } },
      'projects.checkout.team: no team "payment" is configured; did you mean "payments"?',
    ],
    [
      'the profile of a project',
      { ...base, projects: { checkout: { team: 'payments', profile: 'standrad' } } },
      'projects.checkout.profile: no profile "standrad" is configured; did you mean "standard"?',
    ],
    [
      'the project of a key, once there are projects',
      { ...base, projects: { checkout: { team: 'payments' } }, keys: [{ ...record, project: 'chekout' }] },
      'keys[0].project: no project "chekout" is configured; did you mean "checkout"?',
    ],
    [
      'a project of another team',
      {
        ...base,
        teams: { ...base.teams, web: { profile: 'standard' } },
        projects: { site: { team: 'web' } },
        keys: [{ ...record, project: 'site' }],
      },
      'keys[0].project: the project "site" belongs to the team "web", and the key to "payments"',
    ],
    [
      'what is pinned',
      profile({ pins: { 'claude-sonnet': 'claude-sonnet-6' } }),
      'profiles.standard.pins.claude-sonnet: no model "claude-sonnet-6" is configured; did you mean "claude-sonnet-4"?',
    ],
    [
      'the name that it is pinned for',
      profile({ pins: { 'gpt-4.1': 'claude-sonnet-4' } }),
      'profiles.standard.pins.gpt-4.1: "gpt-4.1" is neither a family nor an alias, so nothing can be pinned for it',
    ],
    [
      'a pin to what the profile does not permit',
      profile({ models: ['gpt-*'], pins: { 'claude-sonnet': 'claude-sonnet-4' } }),
      'profiles.standard.pins.claude-sonnet: the profile does not permit "claude-sonnet-4"; add it to profiles.standard.models, or pin another model',
    ],
  ])('by %s is refused with path and fix', (_, config, expected) => {
    const issues = issuesOf(config);
    expect(issues).toHaveLength(1);
    expect(issues[0]!.startsWith(expected), issues[0]).toBe(true);
  });

  it('may name models that are switched off, models that a pattern covers, and patterns that match nothing yet', () => {
    expect(issuesOf(profile({ models: ['claude-sonnet-5', 'o3-mini', 'gemini-*', 'gpt-4.1'] }))).toEqual([]);
    expect(issuesOf(profile({ pins: { 'claude-sonnet': 'claude-sonnet-5', best: 'o3' } }))).toEqual([]);
  });

  it('may leave projects out: then the project of a key is a label', () => {
    expect(issuesOf({ ...base, keys: [{ ...record, project: 'anything' }] })).toEqual([]);
  });
});

describe('a configuration that would lock everybody out', () => {
  it.each<[string, unknown, string]>([
    ['without any provider', { ...small, providers: {}, models: {} }, 'providers: no provider is configured'],
    ['without any model', { ...small, models: {} }, 'models: no model is enabled'],
    [
      'with every model switched off',
      { ...small, models: { a: { ...model, enabled: false }, 'b*': { ...model, enabled: false } } },
      'models: no model is enabled',
    ],
    ['with profiles and no team', { ...small, teams: {} }, 'teams: there are profiles and no team'],
    [
      'with profiles that permit nothing',
      { ...small, profiles: { standard: { models: [] } } },
      'teams: no team may use any enabled model',
    ],
    [
      'with a profile that permits only what is switched off',
      {
        ...small,
        models: { ...small.models, off: { ...model, enabled: false } },
        profiles: { standard: { models: ['off'] } },
      },
      'teams: no team may use any enabled model',
    ],
    [
      'with an organisation that permits nothing of its profiles',
      {
        ...base,
        organisation: { models: ['claude-*'] },
        profiles: { standard: { models: ['gpt-4.1'] } },
      },
      'teams: no team may use any enabled model',
    ],
  ])('%s is refused', (_, config, expected) => {
    expect(issuesOf(config)).toEqual([expect.stringContaining(expected)]);
  });

  it('is not one in which a single team is suspended', () => {
    const config = {
      ...small,
      profiles: { standard: {}, suspended: { models: [] } },
      teams: { payments: { profile: 'standard' }, web: { profile: 'suspended' } },
    };
    expect(issuesOf(config)).toEqual([]);
  });
});

describe('what is told about a field', () => {
  it.each<[string, unknown, string]>([
    [
      'that does not exist',
      { ...small, modles: {} },
      '(root): there is no field "modles"; did you mean "models"?',
    ],
    [
      'that does not exist further in',
      { ...small, relay: { drain: { maxByte: 1 } } },
      'relay.drain: there is no field "maxByte"; did you mean "maxBytes"?',
    ],
    [
      'that does not exist in an entry of a list',
      { ...small, limits: [{ unit: 'requests', amount: 1, windw: '1m', window: '1m' }] },
      'limits[0]: there is no field "windw"; did you mean "window"?',
    ],
    [
      'that does not exist in a named entry',
      { ...small, teams: { payments: { profile: 'standard', model: [] } } },
      'teams.payments: there is no field "model"',
    ],
    ['that is wrong: its value', { ...small, breaker: { volumeThreshold: -3 } }, '(it is -3)'],
    [
      'that is wrong: its text',
      { ...small, limits: [{ unit: 'requests', amount: 1, window: '1 minute' }] },
      'limits[0].window: a window is a number and a unit: 30s, 1m, 1h, 1d (it is "1 minute")',
    ],
    [
      'that is no date',
      { ...small, models: { m: { ...model, retiresAt: 'tomorrow' } } },
      'models.m.retiresAt: a date is written as 2026-01-31 or 2026-01-31T00:00:00Z (it is "tomorrow")',
    ],
    [
      'that lies before another',
      { ...small, models: { m: { ...model, deprecatedAt: '2026-02-01', retiresAt: '2026-01-01' } } },
      'models.m.deprecatedAt: must not lie after retiresAt',
    ],
    [
      'that caps a cost nobody knows',
      { ...small, models: { m: { ...model, maxCostUsd: 1 } } },
      'models.m.maxCostUsd: a cap on cost needs a price: add price, or remove maxCostUsd',
    ],
    [
      'with a name that cannot be one',
      { ...small, teams: { 'pay ments': { profile: 'standard' } } },
      'teams.pay ments: a name has 1 to 64 letters',
    ],
  ])('%s', (_, config, expected) => {
    const issues = issuesOf(config);
    expect(issues.join('\n')).toContain(expected);
  });

  it('never is a secret, whichever field it was written into', () => {
    for (const secret of ['sk-proj-canary', 'canary0123456789abcdef012345', 'Bearer canary']) {
      const openai = { type: 'openai', apiKey: 'x' };
      for (const config of [
        { ...small, providers: { openai: { ...openai, baseUrl: `not a url ${secret}` } } },
        { ...small, providers: { openai: { ...openai, apiKey: [secret] } } },
        { ...small, providers: { openai: { ...openai, headers: { authorization: [secret] } } } },
        { ...small, publicUrl: secret },
        { ...small, relay: { onDisconnect: secret } },
        { ...small, keys: [{ ...record, pepperId: 5, secretHash: secret }] },
      ]) {
        expect(issuesOf(config)).not.toEqual([]);
        expect(issuesOf(config).join('\n')).not.toContain(secret);
      }
    }
  });
});

describe('the nearest name', () => {
  it.each<[string, string[], string | undefined]>([
    ['standrad', ['standard', 'strict'], 'standard'],
    ['Standard', ['standard'], 'standard'],
    ['gpt4', ['gpt-4', 'gpt-5'], 'gpt-4'],
    ['xyz', ['standard'], undefined],
    ['', ['a'], undefined],
    ['ab', ['cd', 'ax'], 'ax'],
    ['a'.repeat(65), ['a'.repeat(64)], undefined],
  ])('to %j among %j is %j', (wrong, names, expected) => expect(nearestName(wrong, names)).toBe(expected));
});
