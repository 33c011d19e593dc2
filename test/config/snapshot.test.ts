import { ConfigError, type GatewayConfig } from 'headgate';
import { describe, expect, it } from 'vitest';
import { poolNameOf } from '../../src/upstream/pool-name.ts';
import { makeKey } from '../harness.ts';
import { compile, issuesOf, small } from './compile.ts';

const usd = { unit: 'usd', amount: 5, window: '1d' } as const;
const { record } = makeKey('payments');

describe('a configuration that cannot be used', () => {
  it.each<[string, unknown, string]>([
    [
      'a provider of an unknown type',
      { ...small, providers: { openai: { type: 'nobody', apiKey: 'x' } } },
      'providers.openai.type: no provider type "nobody"; there are: openai, anthropic, gemini',
    ],
    [
      'a provider without a credential',
      { ...small, providers: { openai: { type: 'openai' } } },
      'providers.openai: needs apiKey or credentials',
    ],
    [
      'a provider with two forms of credentials',
      {
        ...small,
        providers: { openai: { type: 'openai', apiKey: 'x', credentials: [{ id: 'a', apiKey: 'y' }] } },
      },
      'providers.openai: give apiKey or credentials, not both',
    ],
    ...['$OPENAI_API_KEY', ' $' + '{OPENAI_API_KEY}'].map((apiKey): [string, unknown, string] => [
      `a secret that is written as ${apiKey}`,
      { ...small, providers: { openai: { type: 'openai', apiKey } } },
      'providers.openai.apiKey: a secret is its text, { env: "NAME" }',
    ]),
    [
      'a base URL without a scheme',
      { ...small, providers: { openai: { type: 'openai', apiKey: 'x', baseUrl: 'host/v1' } } },
      'providers.openai.baseUrl: must be an http or https address',
    ],
    [
      'a list in place of names',
      { ...small, models: ['gpt-4.1'] },
      'models: Invalid input: expected object, received array',
    ],
    [
      'a base URL with a user in it',
      { ...small, providers: { openai: { type: 'openai', apiKey: 'x', baseUrl: 'https://u:p@host/v1' } } },
      'providers.openai.baseUrl: must be scheme, host and path only',
    ],
    [
      'a base URL with a query',
      { ...small, providers: { openai: { type: 'openai', apiKey: 'x', baseUrl: 'https://host/v1?key=1' } } },
      'providers.openai.baseUrl: must be scheme, host and path only',
    ],
    [
      'a base URL of another scheme',
      { ...small, providers: { openai: { type: 'openai', apiKey: 'x', baseUrl: 'file:///etc/passwd' } } },
      'providers.openai.baseUrl: ',
    ],
    [
      'a target at a provider that is not configured',
      { ...small, models: { m: { targets: ['openai', 'nobody/m'] } } },
      'models.m.targets[1]: no provider "nobody" is configured',
    ],
    [
      'a target object at a provider that is not configured',
      { ...small, models: { m: { targets: [{ provider: 'nobody' }] } } },
      'models.m.targets[0]: no provider "nobody" is configured',
    ],
    ['a model without targets', { ...small, models: { m: { targets: [] } } }, 'models.m.targets: '],
    [
      'an alias that is another model',
      { ...small, models: { ...small.models, m: { targets: ['openai'], aliases: ['gpt-4.1'] } } },
      'models.m: the name "gpt-4.1" is taken by another model',
    ],
    [
      'an alias of a pattern',
      { ...small, models: { 'gpt-*': { targets: ['openai'], aliases: ['g'] } } },
      'models.gpt-*.aliases: a pattern cannot have aliases',
    ],
    [
      'a pattern with its star in the middle',
      { ...small, models: { 'gpt-*-mini': { targets: ['openai'] } } },
      'models.gpt-*-mini: ',
    ],
    [
      'a team whose profile is not configured',
      { ...small, teams: { payments: { profile: 'none' } } },
      'teams.payments.profile: no profile "none" is configured',
    ],
    [
      'a team whose profile has the name of something every object has',
      { ...small, teams: { payments: { profile: 'constructor' } } },
      'teams.payments.profile: no profile "constructor" is configured',
    ],
    [
      'a key of a team that is not configured',
      { ...small, keys: [{ ...record, team: 'nobody' }] },
      'keys[0].team: no team "nobody" is configured',
    ],
    [
      'two keys with one id',
      { ...small, keys: [record, record] },
      `keys[1].kid: the id "${record.kid}" is used twice`,
    ],
    [
      'a usd limit of the organisation over a model without a price',
      { ...small, limits: [usd] },
      'models.gpt-4.1.price: the limit "organisation: 5 usd per 1d for each organisation" covers this model, so it needs a price',
    ],
    [
      'a usd limit of a team over a model without a price',
      { ...small, teams: { payments: { profile: 'standard', limits: [usd] } } },
      'models.gpt-4.1.price: ',
    ],
    [
      'a usd limit of a profile that names the model',
      { ...small, profiles: { standard: { limits: [{ ...usd, models: ['gpt-*'] }] } } },
      'models.gpt-4.1.price: ',
    ],
    [
      'a usd limit that names one model of a pattern without a price',
      {
        ...small,
        models: { 'gpt-*': { targets: ['openai'] } },
        limits: [{ ...usd, models: ['gpt-5'] }],
      },
      'models.gpt-*.price: ',
    ],
    [
      'a limit without its window',
      { ...small, limits: [{ unit: 'tokens', amount: 5 }] },
      'limits[0].window: ',
    ],
    [
      'a window for parallel',
      { ...small, limits: [{ unit: 'parallel', amount: 5, window: '1m' }] },
      'limits[0].window: parallel takes no window',
    ],
    [
      'half a request',
      { ...small, limits: [{ unit: 'requests', amount: 0.5, window: '1m' }] },
      'limits[0].amount: an amount of requests, tokens or parallel is a whole number',
    ],
    [
      'a negative amount',
      { ...small, limits: [{ unit: 'requests', amount: -1, window: '1m' }] },
      'limits[0].amount: ',
    ],
    [
      'no window at all',
      { ...small, limits: [{ unit: 'requests', amount: 1, window: '0m' }] },
      'limits[0].window: ',
    ],
    ['a field nobody knows', { ...small, modles: {} }, '(root): '],
    ['a misspelt field inside', { ...small, relay: { maxBodyByte: 5 } }, 'relay: '],
    [
      'a header name in capitals',
      { ...small, providers: { openai: { type: 'openai', apiKey: 'x', headers: { 'X-A': '1' } } } },
      'providers.openai.headers.X-A: ',
    ],
  ])('because of %s is refused with its path', (_, config, expected) => {
    const issues = issuesOf(config);
    expect(issues.filter((issue) => issue.startsWith(expected))).not.toEqual([]);
  });

  it('because two limits would be one and the same count is refused', () => {
    const limit = { unit: 'requests', amount: 5, window: '1m' } as const;
    const config = { ...small, profiles: { standard: { limits: [limit, { ...limit, amount: 9 }] } } };
    expect(issuesOf(config)).toEqual([expect.stringContaining('profiles.standard.limits[1]')]);
  });

  it('is told all that is wrong at once, in a TypeError', () => {
    const wrong = {
      ...small,
      models: { a: { targets: ['x'] }, b: { targets: ['y'] } },
      teams: { t: { profile: 'none' } },
      keys: [{ ...record, team: 'nobody' }],
    };
    expect(issuesOf(wrong)).toHaveLength(4);
    expect(() => compile(wrong)).toThrow(TypeError);
    expect(() => compile(wrong)).toThrow(ConfigError);
  });

  it.each([undefined, null, 5, 'x', [], {}])('is refused when it is %j', (config) => {
    expect(issuesOf(config)).not.toEqual([]);
  });
});

describe('a model is found', () => {
  const config: GatewayConfig = {
    ...small,
    providers: {
      openai: { type: 'openai', apiKey: 'a' },
      proxy: { type: 'openai', apiKey: 'b', baseUrl: 'http://127.0.0.1:1/v1/' },
    },
    models: {
      'gpt-4.1': { targets: ['openai', 'proxy/openai/gpt-4.1'], aliases: ['best', 'gpt-5-preview'] },
      'gpt-*': { targets: ['openai'] },
      'gpt-5*': { targets: ['proxy/vendor-*'] },
      'gpt-5-fixed': { targets: [{ provider: 'proxy', model: 'pinned' }] },
      'free-*': { targets: ['proxy/tiny'] },
      off: { targets: ['openai'], enabled: false },
      'off-*': { targets: ['openai'], enabled: false },
    },
  };
  const targetsOf = (name: string) =>
    compile(config)
      .findModel(name)
      ?.targets.map(({ id }) => id);

  it.each([
    ['by its name', 'gpt-4.1', ['openai/gpt-4.1', 'proxy/openai/gpt-4.1']],
    ['by an alias', 'best', ['openai/gpt-4.1', 'proxy/openai/gpt-4.1']],
    ['by an alias before any pattern', 'gpt-5-preview', ['openai/gpt-4.1', 'proxy/openai/gpt-4.1']],
    ['by a pattern, under its own name', 'gpt-3.5', ['openai/gpt-3.5']],
    ['by the longest pattern, whose star is filled in', 'gpt-5-mini', ['proxy/vendor--mini']],
    ['by its name before any pattern', 'gpt-5-fixed', ['proxy/pinned']],
    ['by a pattern whose target has no star', 'free-x', ['proxy/tiny']],
    ['not when it is switched off', 'off', undefined],
    ['not by a pattern that is switched off', 'off-x', undefined],
    ['not by half a name', 'gpt', undefined],
    ['not in another case', 'GPT-4.1', undefined],
    ['not by what every object has', 'constructor', undefined],
    ['not by the prototype', '__proto__', undefined],
    ['not by nothing', '', undefined],
  ])('%s: %s', (_, name, expected) => expect(targetsOf(name)).toEqual(expected));

  it('under its public name: an alias has the name of its model, a match of a pattern its own', () => {
    const snapshot = compile(config);
    expect(snapshot.findModel('best')?.name).toBe('gpt-4.1');
    expect(snapshot.findModel('gpt-3.5')?.name).toBe('gpt-3.5');
  });

  it('in the list when it is enabled and no pattern, with its aliases behind it', () => {
    const snapshot = compile(config);
    const listed = snapshot.listModels(snapshot.policyOf('payments')!, 0);
    expect(listed.map(({ id }) => id)).toEqual(['gpt-4.1', 'best', 'gpt-5-preview', 'gpt-5-fixed']);
  });
});

describe('a provider of the configuration', () => {
  it('is its origin and path, without a slash at the end', () => {
    const at = (baseUrl?: string) => {
      const snapshot = compile({
        ...small,
        providers: { openai: { type: 'openai', apiKey: 'a', ...(baseUrl && { baseUrl }) } },
      });
      const { origin, basePath } = snapshot.providers.get('openai')!;
      return [origin, basePath];
    };
    expect(at()).toEqual(['https://api.openai.com', '/v1']);
    expect(at('http://127.0.0.1:9/a/b//')).toEqual(['http://127.0.0.1:9', '/a/b']);
    expect(at('https://HOST.example:443')).toEqual(['https://host.example', '']);
  });

  it.each([
    ['anthropic', 'https://api.anthropic.com/v1', ''],
    ['anthropic', 'https://host/anthropic/v1/', '/anthropic'],
    ['gemini', 'https://host/v1beta', ''],
    ['gemini', 'https://host/v10', '/v10'],
    ['openai', 'https://host/v1beta/', '/v1beta'],
    ['openai', 'https://host/v1/chat/completions', '/v1'],
    ['openai', 'https://host/api/v1/responses/', '/api/v1'],
    ['openai', 'https://host/completions-proxy/v1', '/completions-proxy/v1'],
    ['anthropic', 'https://host/base/v1/messages', '/base'],
  ])('of the type %s at %s has version and endpoint once', (type, baseUrl, basePath) => {
    const providers = { openai: { type, apiKey: 'a', baseUrl } };
    expect(compile({ ...small, providers }).providers.get('openai')?.basePath).toBe(basePath);
  });

  it('of an unknown type is the only thing that is wrong', () => {
    expect(issuesOf({ ...small, providers: { openai: { type: 'nobody', apiKey: 'x' } } })).toHaveLength(1);
  });

  it('has its credentials in their order, each with a secret of its own', () => {
    const providers: GatewayConfig['providers'] = {
      openai: {
        type: 'openai',
        credentials: [
          { id: 'a', apiKey: 'one' },
          { id: 'b', apiKey: 'two' },
        ],
      },
    };
    const { credentials } = compile({ ...small, providers }).providers.get('openai')!;
    expect(credentials.map(({ id, source }) => [id, source.current().reveal()])).toEqual([
      ['openai#a', 'one'],
      ['openai#b', 'two'],
    ]);
    expect(
      new Set(credentials.map((credential) => poolNameOf(credential, credential.source.current()))).size,
    ).toBe(2);
  });

  it('serves calls without a model when it is the first of its family', () => {
    const snapshot = compile(small);
    expect(snapshot.providerOf('openai')?.id).toBe('openai');
    expect(snapshot.providerOf('gemini')).toBeUndefined();
  });
});

describe('a team', () => {
  it('has the limits of the organisation, its own and those of its profile, in this order', () => {
    const limit = (amount: number) => ({ unit: 'requests', amount, window: '1m' }) as const;
    const snapshot = compile({
      ...small,
      limits: [limit(1)],
      teams: { payments: { profile: 'standard', limits: [limit(2)] } },
      profiles: { standard: { models: ['gpt-*'], limits: [limit(3)] } },
    });
    const policy = snapshot.policyOf('payments');
    expect(policy?.limits.map(({ amount, per }) => [amount, ...per])).toEqual([
      [1, 'organisation'],
      [2, 'team'],
      [3, 'key'],
    ]);
    expect(policy?.models).toEqual([{ origin: 'profiles.standard.models', patterns: ['gpt-*'] }]);
    for (const name of ['nobody', 'constructor', '__proto__', ''])
      expect(snapshot.policyOf(name)).toBeUndefined();
  });

  it('may use every model when its profile names none', () => {
    expect(compile(small).policyOf('payments')?.models[0]?.patterns).toEqual(['*']);
  });
});
