import fc from 'fast-check';
import type { GatewayConfig } from 'headgate';
import { describe, expect, it } from 'vitest';
import { limitSchema } from '../../src/config/schema/parts.ts';
import type { Limit } from '../../src/limits/limit.ts';
import { createPrincipal } from '../../src/principal.ts';
import { compile, issuesOf, small } from './compile.ts';

const price = { input: 1, output: 2 };
const priced: GatewayConfig = { ...small, models: { 'gpt-4.1': { targets: ['openai'], price } } };
const requests = { unit: 'requests', amount: 5, window: '1m' } as const;

/** The limit of the organisation, compiled. */
function limitOf(limit: object): Limit {
  const config = { ...priced, limits: [limit] } as GatewayConfig;
  return compile(config).policyOf('payments')?.limits[0] as Limit;
}

const spanOf = ({ window }: Limit, at: string) => {
  const { fromMs, untilMs } = window.spanAt(Date.parse(at));
  return [fromMs, untilMs].map((ms) => new Date(ms).toISOString().slice(0, 16));
};

describe('the window of a limit', () => {
  it('is one and the same for all of a configuration that are written with it', () => {
    const windows = ['1m', '1m', '1h', { rolling: '1m' }, { rolling: '1m' }, { rolling: '1m', buckets: 4 }];
    const subjects = ['organisation', 'team', 'project', 'user', 'key', 'run'];
    const { limits } = compile({
      ...priced,
      limits: windows.map((window, index) => ({ unit: 'requests', amount: 5, window, per: subjects[index] })),
      profiles: { standard: { limits: [requests] } },
    } as GatewayConfig).policyOf('payments') ?? { limits: [] };
    const [first, again, hour, rolling, rollingAgain, finer, ofProfile] = limits.map(({ window }) => window);
    expect([again, ofProfile]).toEqual([first, first]);
    expect(again === first && ofProfile === first && rollingAgain === rolling).toBe(true);
    expect(new Set([first, hour, rolling, finer]).size).toBe(4);
  });

  it('is fixed, rolling, of the calendar, one-off, or all time', () => {
    const at = '2026-03-29T12:34:56Z';
    const of = (window: unknown) => limitOf({ ...requests, window });
    expect(spanOf(of('5m'), at)).toEqual(['2026-03-29T12:30', '2026-03-29T12:35']);
    expect(of({ rolling: '1m' }).window.spanAt(0).buckets).toHaveLength(13);
    expect(of({ rolling: '1m', buckets: 4 }).window.spanAt(0).buckets).toHaveLength(5);
    expect(spanOf(of({ every: 'day', timeZone: 'Europe/Amsterdam' }), at)).toEqual([
      '2026-03-28T23:00',
      '2026-03-29T22:00',
    ]);
    expect(spanOf(of({ every: 'month', anchor: { day: 31, hour: 6 } }), at)).toEqual([
      '2026-02-28T06:00',
      '2026-03-31T06:00',
    ]);
    const once = of({ from: '2026-03-01', until: '2026-04-01T02:00:00+02:00' });
    expect(spanOf(once, at)).toEqual(['2026-03-01T00:00', '2026-04-01T00:00']);
    expect(of('lifetime').window.spanAt(0).untilMs).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    ['daily', '1d'],
    ['hourly', '1h'],
    ['daily', '24h'],
    ['daily', { every: 'day' }],
    ['1d', { every: 'day', timeZone: 'UTC', anchor: { hour: 0 } }],
    ['weekly', { every: 'week', anchor: { weekday: 'monday' } }],
    ['monthly', { every: 'month', timeZone: 'UTC', anchor: { day: 1 } }],
    [{ rolling: '1m' }, { rolling: '60s', buckets: 12 }],
  ])('%j is the same count as %j', (one, other) => {
    expect(limitOf({ ...requests, window: one }).prefix).toBe(limitOf({ ...requests, window: other }).prefix);
    const twice = { ...small, limits: [one, other].map((window) => ({ ...requests, window })) };
    expect(issuesOf(twice)).toEqual(['limits[1]: counts the same as a limit before it; keep one of them']);
  });

  it.each([
    ['weekly', '7d'],
    ['1d', { every: 'day', timeZone: 'Europe/Amsterdam' }],
    ['1d', { every: 'day', anchor: { hour: 1 } }],
    ['monthly', { every: 'month', anchor: { day: 2 } }],
    ['1m', { rolling: '1m' }],
    ['lifetime', { from: '2026-01-01', until: '2027-01-01' }],
  ])('%j is another count than %j', (one, other) => {
    const both = { ...small, limits: [one, other].map((window) => ({ ...requests, window })) };
    expect(issuesOf(both)).toEqual([]);
  });
});

describe('a limit', () => {
  it('has the defaults of its unit, mode and window', () => {
    const closed = ['closed', 402];
    const of = (limit: object) => {
      const { onFailure, status } = limitOf({ amount: 5, window: '1m', ...limit });
      return [onFailure, status];
    };
    expect(of({ unit: 'usd' })).toEqual(closed);
    expect(of({ unit: 'tokens', window: 'monthly' })).toEqual(closed);
    for (const window of ['lifetime', 'daily', '24h', '7d', { every: 'day' }, { rolling: '1d' }]) {
      expect(of({ unit: 'tokens', window })).toEqual(closed);
    }
    expect(of({ unit: 'tokens', window: { from: '2026-01-01', until: '2026-02-01' } })).toEqual(closed);
    expect(of({ unit: 'tokens' })).toEqual(['degraded', 402]);
    expect(of({ unit: 'tokens', window: { rolling: '1m' } })).toEqual(['degraded', 402]);
    expect(of({ unit: 'requests', window: 'monthly' })).toEqual(['degraded', 402]);
    expect(of({ unit: 'parallel', window: undefined })).toEqual(['degraded', 402]);
    for (const mode of ['warn', 'shadow']) expect(of({ unit: 'usd', mode })).toEqual(['open', 402]);
    expect(of({ unit: 'usd', onFailure: 'degraded', status: 429 })).toEqual(['degraded', 429]);
  });

  it('counts tokens as it says', () => {
    expect(limitOf({ ...requests, unit: 'tokens' }).tokens).toEqual({
      count: 'total',
      cached: 1,
      cacheWrite: 1,
      reasoning: 1,
    });
    const limit = limitOf({ ...requests, unit: 'tokens', count: 'input', weights: { cached: 0.1 } });
    expect(limit.tokens).toMatchObject({ count: 'input', cached: 0.1 });
    expect(limit.label).toBe('organisation: 5 input tokens per 1m for each organisation');
  });

  it('says for whom and for how long', () => {
    const label = (limit: object) => limitOf({ ...requests, ...limit }).label.replace('organisation: ', '');
    expect(label({ per: ['model', 'team'] })).toBe('5 requests per 1m for each team and model');
    expect(label({ window: { rolling: '1m' } })).toBe('5 requests in any 1m for each organisation');
    expect(label({ window: 'lifetime', per: 'run' })).toBe('5 requests in all for each run');
    expect(label({ window: 'daily', per: 'metadata:ticket' })).toBe(
      '5 requests per 1d for each metadata:ticket',
    );
  });

  it('counts on when its amount, raises, thresholds, mode, failure policy or status are changed', () => {
    const { prefix } = limitOf(requests);
    const changes = [
      { amount: 50 },
      { raises: [{ amount: 60, until: '2030-01-01' }] },
      { thresholds: [10] },
      { mode: 'warn' },
      { mode: 'shadow' },
      { onFailure: 'closed' },
      { status: 429 },
      { required: true },
    ];
    for (const change of changes) expect(limitOf({ ...requests, ...change }).prefix).toBe(prefix);
    const models = { 'gpt-4.1': { targets: ['openai'] }, o3: { targets: ['openai'] } };
    const listed = (...names: string[]) =>
      compile({ ...small, models, limits: [{ ...requests, models: names }] }).policyOf('payments')?.limits[0]
        ?.prefix;
    expect(listed('o3', 'gpt-4.1')).toBe(listed('gpt-4.1', 'o3', 'o3'));
  });

  it('counts anew when what it counts is changed, or the name of what it stands at', () => {
    const tokens = { ...requests, unit: 'tokens' };
    const changes = [
      requests,
      tokens,
      { ...tokens, count: 'input' },
      { ...tokens, count: 'output' },
      { ...tokens, weights: { cached: 0.5 } },
      { ...tokens, weights: { reasoning: 0.5 } },
      { ...requests, window: '2m' },
      { ...requests, models: ['gpt-*'] },
    ];
    expect(new Set(changes.map((limit) => limitOf(limit).prefix)).size).toBe(changes.length);
    const ofProfile = (name: string) =>
      compile({
        ...small,
        profiles: { [name]: { limits: [requests] } },
        teams: { payments: { profile: name } },
      }).policyOf('payments')?.limits[0]?.prefix;
    expect(ofProfile('renamed')).not.toBe(ofProfile('standard'));
  });

  it('may stand beside one that counts the same in another mode, and not beside one in the same', () => {
    const beside = (...modes: string[]) =>
      issuesOf({ ...small, limits: modes.map((mode, index) => ({ ...requests, amount: index, mode })) });
    expect(beside('block', 'warn', 'shadow')).toEqual([]);
    expect(beside('warn', 'block', 'warn')).toEqual([expect.stringContaining('limits[2]: counts the same')]);
  });

  it('reads the same once more as it was read the first time, as limits of stored keys are', () => {
    const windows = fc.constantFrom(
      '1m',
      'daily',
      'weekly',
      'lifetime',
      { rolling: '1m' },
      { every: 'month', timeZone: 'Europe/Amsterdam', anchor: { day: 31 } },
      { from: '2026-01-01', until: '2026-02-01T00:00:00+01:00' },
    );
    const limits = fc.record({
      unit: fc.constant('tokens'),
      amount: fc.integer({ min: 0, max: 1_000 }),
      window: windows,
      count: fc.constantFrom(undefined, 'input'),
      mode: fc.constantFrom('block', 'warn', 'shadow', undefined),
      raises: fc.constantFrom(undefined, [{ amount: 5_000, until: '2026-01-01' }]),
      per: fc.constantFrom(undefined, 'key', ['key', 'metadata:ticket']),
    });
    fc.assert(
      fc.property(limits, (limit) => {
        const once = limitSchema().parse(limit);
        expect(limitSchema().parse(JSON.parse(JSON.stringify(once)))).toEqual(
          JSON.parse(JSON.stringify(once)),
        );
      }),
    );
  });

  const month = { unit: 'usd', window: 'monthly', amount: 5 };
  it.each<[string, object, string]>([
    ['a text that is no number', { ...requests, amount: '1e400' }, 'amount: an amount is a number from 0'],
    [
      'what JSON makes of 1e400',
      { ...requests, amount: JSON.parse('1e400') },
      'amount: an amount is a number',
    ],
    ['NaN', { ...requests, amount: Number.NaN }, 'amount: an amount is a number'],
    ['a negative amount', { ...requests, amount: -1 }, 'amount: an amount is a number'],
    ['a negative text', { ...requests, amount: '-1' }, 'amount: an amount is a number'],
    ['half a token', { ...requests, unit: 'tokens', amount: '0.5' }, 'amount: an amount of requests, tokens'],
    ['more than 2^53', { ...requests, amount: 2 ** 53 }, 'amount: an amount of requests, tokens'],
    ['no amount', { unit: 'requests', window: '1m' }, 'amount: '],
    ['too much money to count', { ...month, amount: '9000001' }, 'amount: an amount of usd is 0, or from'],
    ['less money than can be counted', { ...month, amount: 1e-10 }, 'amount: an amount of usd is 0, or from'],
    ['another unit', { ...requests, unit: 'eur' }, 'unit: '],
    ['a window of no length', { ...requests, window: '0m' }, 'window: a window is a number and a unit'],
    ['a window that is a number', { ...requests, window: 60 }, 'window: a window is a number and a unit'],
    [
      'a rolling window of words',
      { ...requests, window: { rolling: 'daily' } },
      'window.rolling: a window is',
    ],
    ['half a bucket', { ...requests, window: { rolling: '1m', buckets: 0.5 } }, 'window: buckets: '],
    [
      'an unknown object',
      { ...requests, window: { each: 'day' } },
      'window: a window is a number and a unit',
    ],
    [
      'an unknown period',
      { ...month, window: { every: 'year' } },
      'window: every: every is "day", "week" or',
    ],
    [
      'an unknown time zone',
      { ...month, window: { every: 'day', timeZone: 'Europe/Amsterdm' } },
      'window.timeZone: no such time zone; write a name of the IANA database',
    ],
    [
      'an offset',
      { ...month, window: { every: 'day', timeZone: '+02:00' } },
      'window.timeZone: no such time zone',
    ],
    ['the 32nd', { ...month, window: { every: 'month', anchor: { day: 32 } } }, 'window.anchor.day: '],
    [
      'a weekday of a month',
      { ...month, window: { every: 'month', anchor: { weekday: 'monday' } } },
      'window.anchor.weekday: only a week begins on a weekday',
    ],
    [
      'a day of a week',
      { ...month, window: { every: 'week', anchor: { day: 1 } } },
      'window.anchor.day: only a month begins on a day of the month',
    ],
    [
      'an end before the beginning',
      { ...month, window: { from: '2026-02-01', until: '2026-01-01' } },
      'window.until: must lie after from',
    ],
    ['no end', { ...month, window: { from: '2026-02-01' } }, 'window: until: an instant is written as'],
    [
      'a date before all dates',
      { ...month, window: { from: '1960-01-01', until: '2026-01-01' } },
      'window.from: must lie after 1970',
    ],
    ['a window for parallel', { ...requests, unit: 'parallel' }, 'window: parallel takes no window'],
    ['an unknown subject', { ...requests, per: 'planet' }, 'per: a subject is key, user, project'],
    [
      'an unknown subject among others',
      { ...requests, per: ['team', 'planet'] },
      'per: a subject is key, user',
    ],
    ['no subject', { ...requests, per: [] }, 'per: '],
    ['a subject twice', { ...requests, per: ['team', 'team'] }, 'per: names a subject twice'],
    ['metadata without a name', { ...requests, per: 'metadata:' }, 'per: a subject is key, user'],
    ['a provider as a subject of callers', { ...requests, per: 'provider' }, 'per: a subject is key, user'],
    ['a threshold of nothing', { ...requests, thresholds: [0] }, 'thresholds[0]: '],
    ['another status', { ...requests, status: 403 }, 'status: a status is 402 or 429'],
    ['another failure policy', { ...requests, onFailure: 'ajar' }, 'onFailure: '],
    ['input requests', { ...requests, count: 'input' }, 'count: only tokens are input or output'],
    [
      'throttleMs of a limit that lets pass',
      { ...requests, mode: 'warn', throttleMs: 10 },
      'throttleMs: only a limit that blocks lets requests wait',
    ],
    ['throttleMs of more than a minute', { ...requests, throttleMs: 60_001 }, 'throttleMs: '],
    ['weights of requests', { ...requests, weights: {} }, 'weights: only tokens have weights'],
    ['a negative weight', { ...requests, unit: 'tokens', weights: { cached: -1 } }, 'weights.cached: '],
    [
      'a raise that lowers',
      { ...requests, raises: [{ amount: 5, until: '2030-01-01' }] },
      'raises[0].amount: a raise is higher than the amount',
    ],
    [
      'a raise by half a request',
      { ...requests, raises: [{ amount: 5.5, until: '2030-01-01' }] },
      'raises[0].amount: an amount of requests, tokens',
    ],
    ['a raise for ever', { ...requests, raises: [{ amount: 6 }] }, 'raises[0].until: '],
  ])('with %s is refused with its path and the fix', (_, limit, expected) => {
    const issues = issuesOf({ ...priced, limits: [limit] });
    expect(issues).toEqual([expect.stringContaining(`limits[0].${expected}`)]);
  });
});

describe('the limits of a provider', () => {
  const provider = (more: object) =>
    ({ ...small, providers: { openai: { type: 'openai', apiKey: 'x', ...more } } }) as GatewayConfig;

  it('are of all its credentials together, those of a credential its own', () => {
    const credentials = [
      { id: 'a', apiKey: 'x', limits: [{ ...requests, amount: 2 }] },
      { id: 'b', apiKey: 'y' },
    ];
    const openai = compile(provider({ apiKey: undefined, credentials, limits: [requests] })).providers.get(
      'openai',
    );
    expect(openai?.limits).toMatchObject([{ label: 'provider openai: 5 requests per 1m for each provider' }]);
    expect(openai?.credentials.map(({ limits }) => limits?.map(({ label }) => label))).toEqual([
      ['credential openai#a: 2 requests per 1m for each credential'],
      [],
    ]);
    expect(compile(small).providers.get('openai')).toMatchObject({
      limits: [],
      credentials: [{ limits: [] }],
    });
  });

  it('add up by provider, credential and model alone', () => {
    const per = (per: unknown) => issuesOf(provider({ limits: [{ ...requests, per }] }));
    expect(per(['credential', 'model'])).toEqual([]);
    expect(per('team')).toEqual([
      expect.stringContaining('providers.openai.limits[0].per: a subject of a provider'),
    ]);
  });

  it('name models that exist, have prices where they count money, and count nothing twice', () => {
    expect(issuesOf(provider({ limits: [{ ...requests, models: ['gpt-5'] }] }))).toEqual([
      expect.stringContaining('providers.openai.limits[0].models[0]: no model "gpt-5" is configured'),
    ]);
    const credential = (limit: object) =>
      issuesOf(
        provider({ apiKey: undefined, credentials: [{ id: 'a', apiKey: 'x', limits: [limit, limit] }] }),
      );
    expect(credential(requests)).toEqual([
      expect.stringContaining('providers.openai.credentials[0].limits[1]: counts the same'),
    ]);
    const usd = { unit: 'usd', amount: 5, window: 'daily' };
    expect(issuesOf(provider({ limits: [usd] }))).toEqual([
      'models.gpt-4.1.price: the limit "provider openai: 5 usd per 1d for each provider" covers this model, so it needs a price',
    ]);
    expect(credential({ ...usd, models: ['gpt-*'] })[0]).toContain('counts the same');
    const elsewhere = {
      ...provider({ limits: [usd] }),
      providers: {
        openai: { type: 'openai', apiKey: 'x' },
        other: { type: 'openai', apiKey: 'x', limits: [usd] },
      },
    };
    expect(issuesOf(elsewhere)).toEqual([]);
  });
});

describe('clampOutput', () => {
  it('is off until a profile says so, and the profile of the project decides', () => {
    const clamped = (standard: object, ofProject: object) =>
      compile({
        ...small,
        profiles: { standard, small: ofProject },
        projects: { checkout: { team: 'payments', profile: 'small' } },
      }).policyFor(createPrincipal({ source: 'host', key: 'k', team: 'payments', project: 'checkout' }))
        ?.clampOutput;
    expect(clamped({}, {})).toBe(false);
    expect(clamped({ clampOutput: true }, {})).toBe(true);
    expect(clamped({ clampOutput: true }, { clampOutput: false })).toBe(false);
    expect(clamped({}, { clampOutput: true })).toBe(true);
  });
});

describe('priority', () => {
  it('is lowered by the profile of the team and by that of the project, and raised by none', () => {
    const found = (standard: object, ofProject: object) => {
      const policy = compile({
        ...small,
        profiles: { standard, small: ofProject },
        projects: { checkout: { team: 'payments', profile: 'small' } },
      }).policyFor(createPrincipal({ source: 'host', key: 'k', team: 'payments', project: 'checkout' }));
      return [policy?.priority, policy?.origins.priority];
    };
    const batch = { priority: 'batch' };
    const interactive = { priority: 'interactive' };
    expect(found({}, {})).toEqual(['interactive', 'default']);
    expect(found(batch, interactive)).toEqual(['batch', 'profiles.standard.priority']);
    expect(found(interactive, batch)).toEqual(['batch', 'profiles.small.priority']);
  });
});

describe('limits of a key that count the same', () => {
  it('are as tight as the tightest, at every instant', () => {
    const amounts = fc.integer({ min: 0, max: 100 });
    const raises = fc.array(
      fc.record({ by: fc.integer({ min: 1, max: 50 }), until: fc.integer({ min: 1, max: 9 }) }),
      {
        maxLength: 2,
      },
    );
    const limits = fc.array(
      fc.record({ amount: amounts, raises }).map(({ amount, raises }) => ({
        ...requests,
        mode: 'block' as const,
        amount,
        raises: raises.map(({ by, until }) => ({ amount: amount + by, until })),
      })),
      { minLength: 1, maxLength: 4 },
    );
    const snapshot = compile(small);
    fc.assert(
      fc.property(limits, fc.integer({ min: 0, max: 10 }), (given, nowMs) => {
        const principal = createPrincipal({ source: 'host', key: 'k', team: 'payments', limits: given });
        const found = snapshot.policyFor(principal)?.limits ?? [];
        expect(found).toHaveLength(1);
        const [{ amount, raises }] = found as [Limit];
        const at = (amount: number, raises: readonly { amount: number; until: number }[]) =>
          Math.max(amount, ...raises.filter(({ until }) => nowMs < until).map((raise) => raise.amount));
        const own = at(
          amount,
          raises.map(({ amount, untilMs }) => ({ amount, until: untilMs })),
        );
        expect(own).toBeLessThanOrEqual(Math.min(...given.map(({ amount, raises }) => at(amount, raises))));
        expect(own).toBeGreaterThanOrEqual(Math.min(...given.map(({ amount }) => amount)));
      }),
    );
  });
});
