import type { GatewayConfig } from 'headgate';
import { describe, expect, it } from 'vitest';
import { compile, issuesOf, small } from './compile.ts';

const model = { targets: ['openai'] };
const at = (day: string) => Date.parse(day);
const today = at('2026-06-15');

const sonnet = (day: string, more: object = {}) => ({
  ...model,
  family: 'claude-sonnet',
  releasedAt: day,
  ...more,
});
const base: GatewayConfig = {
  ...small,
  models: {
    'claude-sonnet-4': sonnet('2025-05-14', { aliases: ['stable'], retiresAt: '2026-09-01' }),
    'claude-sonnet-5': sonnet('2026-03-01'),
    'claude-sonnet-6': sonnet('2026-08-01'),
    'claude-sonnet-5-preview': sonnet('2026-05-01', { enabled: false }),
    'gpt-4.1': { ...model, family: 'gpt-4.1', releasedAt: '2025-04-14' },
    'gpt-4.1-2026-01-01': { ...model, family: 'gpt-4.1', releasedAt: '2026-01-01' },
    'o*': model,
  },
  profiles: {
    standard: {},
    pinned: {
      pins: {
        'claude-sonnet': 'claude-sonnet-4',
        'gpt-4.1': 'gpt-4.1-2026-01-01',
        stable: 'claude-sonnet-5',
      },
    },
    old: { models: ['claude-sonnet-4', 'gpt-*'] },
    none: { models: ['gpt-*'] },
  },
  teams: {
    payments: { profile: 'standard' },
    pinned: { profile: 'pinned' },
    old: { profile: 'old' },
    none: { profile: 'none' },
  },
};
const snapshot = compile(base);
const found = (name: string, team = 'payments', nowMs = today, from = snapshot) =>
  from.resolveModel(name, from.policyOf(team)!, nowMs);
const nameOf = (...given: Parameters<typeof found>) => found(...given)?.model.name;

describe('a family', () => {
  it('is its newest member that is enabled and released', () => {
    expect(nameOf('claude-sonnet')).toBe('claude-sonnet-5');
    expect(found('claude-sonnet')?.steps).toEqual([
      { by: 'family', from: 'claude-sonnet', to: 'claude-sonnet-5' },
    ]);
  });

  it('changes to a new member at the instant of its release, and back when the clock is set back', () => {
    const release = at('2026-08-01');
    expect(nameOf('claude-sonnet', 'payments', release - 1)).toBe('claude-sonnet-5');
    expect(nameOf('claude-sonnet', 'payments', release)).toBe('claude-sonnet-6');
    expect(nameOf('claude-sonnet', 'payments', release + 1)).toBe('claude-sonnet-6');
    expect(nameOf('claude-sonnet', 'payments', release - 1)).toBe('claude-sonnet-5');
    expect(nameOf('claude-sonnet', 'payments', at('2025-06-01'))).toBe('claude-sonnet-4');
    expect(nameOf('claude-sonnet', 'payments', at('2025-01-01'))).toBeUndefined();
  });

  it('is the newest member that the caller may use', () => {
    expect(nameOf('claude-sonnet', 'old')).toBe('claude-sonnet-4');
    expect(nameOf('claude-sonnet', 'none')).toBeUndefined();
  });

  it('ends with its last member', () => {
    expect(nameOf('claude-sonnet', 'old', at('2026-09-01') - 1)).toBe('claude-sonnet-4');
    expect(nameOf('claude-sonnet', 'old', at('2026-09-01'))).toBeUndefined();
  });

  it('with the name of a model is that model, unless it is pinned', () => {
    expect(nameOf('gpt-4.1')).toBe('gpt-4.1');
    expect(nameOf('gpt-4.1', 'pinned')).toBe('gpt-4.1-2026-01-01');
  });

  it('orders members of one day by version, then by name, with numbers as numbers', () => {
    const ofDay = (more: object) => ({ ...model, family: 'f', releasedAt: '2026-01-01', ...more });
    const versions = compile({
      ...small,
      models: { a: ofDay({ version: '9.1' }), b: ofDay({ version: '10.0' }), c: ofDay({ version: '9.2' }) },
    });
    expect(nameOf('f', 'payments', today, versions)).toBe('b');
    const namesOnly = compile({
      ...small,
      models: { 'm-9': ofDay({}), 'm-10': ofDay({}), 'm-1': ofDay({}) },
    });
    expect(nameOf('f', 'payments', today, namesOnly)).toBe('m-10');
  });

  it('of which every member is switched off is nothing, even when a pattern matches its name', () => {
    const off = compile({
      ...small,
      models: { 'gpt-x': { ...model, family: 'gpt', enabled: false }, 'gpt*': model },
    });
    expect(nameOf('gpt', 'payments', today, off)).toBeUndefined();
    expect(nameOf('gpt-x', 'payments', today, off)).toBeUndefined();
    expect(nameOf('gpt-y', 'payments', today, off)).toBe('gpt-y');
  });
});

describe('a pin', () => {
  it('decides for a family and for an alias, and says where it stands', () => {
    expect(found('claude-sonnet', 'pinned')?.steps).toEqual([
      {
        by: 'pin',
        from: 'claude-sonnet',
        to: 'claude-sonnet-4',
        origin: 'profiles.pinned.pins.claude-sonnet',
      },
    ]);
    expect(nameOf('stable')).toBe('claude-sonnet-4');
    expect(nameOf('stable', 'pinned')).toBe('claude-sonnet-5');
  });

  it('is a matter of one profile: another team gets the newer version at the same time', () => {
    expect([nameOf('claude-sonnet', 'pinned'), nameOf('claude-sonnet', 'payments')]).toEqual([
      'claude-sonnet-4',
      'claude-sonnet-5',
    ]);
  });

  it('holds when its model is retired: nothing else is served in its place', () => {
    expect(nameOf('claude-sonnet', 'pinned', at('2026-09-01'))).toBeUndefined();
    expect(nameOf('claude-sonnet', 'payments', at('2026-09-01'))).toBe('claude-sonnet-6');
  });

  it('of a project comes before that of its team, and cannot lead past what the team may use', () => {
    const config: GatewayConfig = {
      ...base,
      profiles: { ...base.profiles, newer: { pins: { 'claude-sonnet': 'claude-sonnet-5' } } },
      projects: {
        next: { team: 'pinned', profile: 'newer' },
        stuck: { team: 'old', profile: 'newer' },
      },
    };
    const projects = compile(config);
    const policyOf = (team: string, project: string) =>
      projects.policyFor({ key: 'k', team, project } as never)!;
    expect(projects.resolveModel('claude-sonnet', policyOf('pinned', 'next'), today)?.model.name).toBe(
      'claude-sonnet-5',
    );
    expect(projects.resolveModel('gpt-4.1', policyOf('pinned', 'next'), today)?.model.name).toBe(
      'gpt-4.1-2026-01-01',
    );
    expect(projects.resolveModel('claude-sonnet', policyOf('old', 'stuck'), today)).toBeUndefined();
  });

  it('may lead to a match of a pattern', () => {
    const config = {
      ...base,
      profiles: { ...base.profiles, standard: { pins: { stable: 'o3-2026-01-01' } } },
    };
    const resolution = found('stable', 'payments', today, compile(config));
    expect(resolution?.model.targets[0]?.id).toBe('openai/o3-2026-01-01');
    expect(resolution?.steps.map(({ by }) => by)).toEqual(['pin', 'pattern']);
  });
});

describe('a model', () => {
  it('is there from its release to its retirement, to the millisecond', () => {
    const [release, end] = [at('2025-05-14'), at('2026-09-01')];
    const there = (nowMs: number) => nameOf('claude-sonnet-4', 'payments', nowMs) !== undefined;
    expect([there(release - 1), there(release), there(end - 1), there(end)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('that is retired is not brought back by a pattern', () => {
    const config = { ...small, models: { o1: { ...model, retiresAt: '2026-01-01' }, 'o*': model } };
    expect(nameOf('o1', 'payments', today, compile(config))).toBeUndefined();
    expect(nameOf('o3', 'payments', today, compile(config))).toBe('o3');
  });

  it('of a pattern that is switched off is not served by a shorter one', () => {
    const config = { ...small, models: { 'o*': model, 'o1-*': { ...model, enabled: false } } };
    expect(nameOf('o1-mini', 'payments', today, compile(config))).toBeUndefined();
    expect(nameOf('o1', 'payments', today, compile(config))).toBe('o1');
  });

  it('that a pattern matched is the same object as long as it is remembered, and that is bounded', () => {
    expect(found('o3')?.model).toBe(found('o3')?.model);
    const first = found('o3')?.model;
    for (let index = 0; index < 1_001; index++) found(`o3-${index}`);
    expect(found('o3')?.model).not.toBe(first);
    expect(found('o3')?.model).toEqual(first);
  });

  it('has the facts of its entry, in the units that the gateway counts in', () => {
    const modalities: NonNullable<GatewayConfig['models'][string]['modalities']> = {
      input: ['text', 'image'],
      output: ['text'],
    };
    const entry = {
      ...model,
      family: 'f',
      version: '2',
      price: { input: 1, output: 2 },
      contextWindow: 200_000,
      maxOutputTokens: 8_192,
      maxCostUsd: '0.25',
      modalities,
      releasedAt: '2026-01-01',
      deprecatedAt: '2026-06-01T12:00:00+02:00',
      retiresAt: '2026-12-31',
      replacement: 'g',
    } as const;
    const compiled = compile({ ...small, models: { m: entry, g: model } }).findModel('m')!;
    expect(compiled).toMatchObject({
      family: 'f',
      version: '2',
      contextWindow: 200_000,
      maxOutputTokens: 8_192,
      maxCostNanoUsd: 250_000_000,
      modalities,
      releasedAtMs: at('2026-01-01'),
      retiresAtMs: at('2026-12-31'),
      deprecation: {
        fromMs: at('2026-06-01T10:00:00Z'),
        retiresAtMs: at('2026-12-31'),
        replacement: 'g',
        warning: 'the model m is deprecated and ends on 2026-12-31: use g',
        headers: { deprecation: '@1780308000', sunset: 'Thu, 31 Dec 2026 00:00:00 GMT' },
      },
    });
  });

  it('cannot share its name or alias with another, switched off or not, nor be a pattern with a family', () => {
    expect(
      issuesOf({ ...small, models: { a: { ...model, aliases: ['x'] }, b: { ...model, aliases: ['x'] } } }),
    ).toEqual(['models.b: the name "x" is taken by another model; remove it from one of them']);
    expect(
      issuesOf({ ...small, models: { a: { ...model, aliases: ['x'], enabled: false }, x: model } }),
    ).toHaveLength(1);
    expect(issuesOf({ ...small, models: { 'a*': { ...model, family: 'f' } } })).toEqual([
      'models.a*.family: a pattern cannot belong to a family',
    ]);
    expect(issuesOf({ ...small, models: { a: { ...model, aliases: ['x*'] } } })).toEqual([
      'models.a.aliases[0]: must be a name, not a pattern (it is "x*")',
    ]);
  });
});

describe('the list of models', () => {
  const list = (team: string, nowMs = today) => snapshot.listModels(snapshot.policyOf(team)!, nowMs);

  it('has every name that would be answered, and none that would not', () => {
    for (const team of ['payments', 'pinned', 'old', 'none']) {
      const ids = list(team).map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      for (const name of [...Object.keys(base.models), 'stable', 'claude-sonnet']) {
        if (name.endsWith('*')) continue;
        expect(ids.includes(name), `${team}: ${name}`).toBe(nameOf(name, team) !== undefined);
      }
    }
  });

  it('shows an alias, a family and a pinned name with the facts of the model that it stands for', () => {
    const createdOf = (team: string, id: string) => list(team).find((entry) => entry.id === id)?.createdAtMs;
    expect(createdOf('payments', 'claude-sonnet')).toBe(at('2026-03-01'));
    expect(createdOf('pinned', 'claude-sonnet')).toBe(at('2025-05-14'));
    expect(createdOf('payments', 'stable')).toBe(at('2025-05-14'));
    expect(createdOf('pinned', 'gpt-4.1')).toBe(at('2026-01-01'));
  });

  it('says when the end of a model is announced', () => {
    const config = {
      ...small,
      models: { old: { ...model, deprecatedAt: '2026-06-01', retiresAt: '2026-09-01' }, new: model },
    };
    const from = compile(config);
    const flags = (day: string) =>
      from.listModels(from.policyOf('payments')!, at(day)).map(({ id, isDeprecated }) => [id, isDeprecated]);
    expect(flags('2026-05-31')).toEqual([
      ['old', undefined],
      ['new', undefined],
    ]);
    expect(flags('2026-06-01')).toEqual([
      ['old', true],
      ['new', undefined],
    ]);
    expect(flags('2026-09-01')).toEqual([['new', undefined]]);
  });
});
