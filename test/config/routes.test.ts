import { describe, expect, it } from 'vitest';
import { base, withRoutes } from '../routing/context.ts';
import { compile, issuesOf } from './compile.ts';

const issues = (...routes: object[]) => issuesOf(withRoutes(routes as never));

describe('routes that are wrong', () => {
  const cases: readonly [what: string, route: object, issue: RegExp][] = [
    [
      'a field that there is none of',
      { match: { team: ['x'] } },
      /^routes\[0\]\.match: there is no field "team"; did you mean "teams"\?$/,
    ],
    [
      'an unknown model',
      { match: { models: ['gpt-4.0'] } },
      /^routes\[0\]\.match\.models\[0\]: no model "gpt-4.0" is configured; did you mean "gpt-4.1"\?$/,
    ],
    [
      'an unknown team',
      { match: { teams: ['payment'] } },
      /^routes\[0\]\.match\.teams\[0\]: no team "payment" is configured; did you mean "payments"\?$/,
    ],
    [
      'an unknown provider',
      { targets: ['opena'] },
      /^routes\[0\]\.targets\[0\]: no provider "opena" is configured; did you mean "openai"\?$/,
    ],
    [
      'an unknown provider of a tier',
      { tiers: [{ targets: ['openai'] }, { targets: ['nobody/x'] }] },
      /^routes\[0\]\.tiers\[1\]\.targets\[0\]: no provider "nobody" is configured$/,
    ],
    [
      'an unknown provider of a mirror',
      { mirror: { target: 'nobody' } },
      /^routes\[0\]\.mirror\.target: no provider "nobody"/,
    ],
    [
      'a pattern as a target',
      { targets: ['openai/gpt-*'] },
      /"gpt-\*" is a pattern; name one model, or the provider alone/,
    ],
    [
      'targets and tiers',
      { targets: ['openai'], tiers: [{ targets: ['openai'] }] },
      /give targets or tiers, not both/,
    ],
    [
      'a strategy beside tiers',
      { strategy: 'latency', tiers: [{ targets: ['openai'] }] },
      /strategy and sticky stand at each tier/,
    ],
    [
      'a sticky strategy that measures',
      { strategy: 'latency', sticky: ['user'], targets: ['openai'] },
      /only weighted targets are sticky/,
    ],
    ['an empty range', { match: { inputTokens: {} } }, /give min, max or both/],
    ['a range upside down', { match: { inputTokens: { min: 2, max: 1 } } }, /min is above max/],
    [
      'a time zone that there is none of',
      { match: { time: { timeZone: 'Berlin' } } },
      /no such time zone; write a name of the IANA database/,
    ],
    [
      'a time that is none',
      { match: { time: { from: '8:00' } } },
      /a time of day is HH:MM, as "08:30" \(it is "8:00"\)/,
    ],
    [
      'a credential among its headers',
      { targets: [{ provider: 'openai', headers: { authorization: 'x' } }] },
      /cannot override this header; credentials belong to the provider/,
    ],
    [
      'a header that breaks the framing',
      { targets: [{ provider: 'openai', headers: { 'content-length': '1' } }] },
      /cannot override this header/,
    ],
    [
      'a field of the body that limits have counted',
      { targets: [{ provider: 'openai', body: { max_tokens: 9 } }] },
      /cannot override this field/,
    ],
    [
      'a budget in money for copies without a price',
      { mirror: { target: 'openai', limits: [{ unit: 'usd', amount: 1, window: '1d' }] } },
      /^routes\[0\]\.mirror\.target: the limit at routes\[0\]\.mirror\.limits\[0\] is in usd, so the target needs a price of its own$/,
    ],
    [
      'a function that is none',
      { match: { when: 'facts.stream' } },
      /^routes\[0\]\.match\.when: must be a function/,
    ],
    ['a region that is none', { regions: ['EU'] }, /a region has small letters, digits or dashes/],
  ];
  for (const [what, route, issue] of cases) {
    it(`are refused with path and fix: ${what}`, () => {
      expect(issues({ name: 'one', ...route })).toEqual([expect.stringMatching(issue)]);
    });
  }

  it('are refused when two have one name, and those that are switched off are checked too', () => {
    expect(issues({ name: 'one' }, { name: 'one', match: { stream: true } })).toContain(
      'routes[1].name: the name "one" is used twice; give each its own',
    );
    expect(issues({ name: 'one', active: false, targets: ['nobody'] })).toHaveLength(1);
  });

  it('never stand in the configuration of a key: an alias is told with what to write', () => {
    const models = { 'gpt-4.1': { targets: ['openai'], aliases: ['gpt'] } };
    expect(issuesOf({ ...base, models, routes: [{ name: 'a', match: { models: ['gpt'] } }] })).toEqual([
      'routes[0].match.models[0]: "gpt" is an alias; name "gpt-4.1"',
    ]);
  });
});

describe('routes that no request reaches', () => {
  const warnings = (...routes: object[]) =>
    compile(withRoutes(routes as never)).warnings.map(({ path, message }) => `${path}: ${message}`);
  const when = () => true;
  const covered: readonly [what: string, outer: object, inner: object][] = [
    ['one that matches everything', {}, { stream: true }],
    ['a wider pattern', { models: ['gpt-*'] }, { models: ['gpt-4.1', 'gpt-mini'] }],
    ['a pattern of a pattern', { users: ['a*'] }, { users: ['ada*'] }],
    ['more teams', { teams: ['payments', 'berlin'] }, { teams: ['berlin'], stream: true }],
    ['a wider range', { inputTokens: { min: 10 } }, { inputTokens: { min: 20, max: 30 } }],
    ['an earlier share', { spent: { atLeastPercent: 50 } }, { spent: { atLeastPercent: 80 } }],
    ['less metadata', { metadata: { env: '*' } }, { metadata: { env: 'prod', app: 'x' } }],
    ['the same function', { when }, { when, stream: false }],
    ['the same time', { time: { days: ['sat'] } }, { time: { days: ['sat'] } }],
  ];
  for (const [what, outer, inner] of covered) {
    it(`are told of: behind ${what}`, () => {
      expect(warnings({ name: 'first', match: outer }, { name: 'second', match: inner })).toEqual([
        expect.stringMatching(
          /^routes\[1\]: no request reaches the route "second": "first" stands before it/,
        ),
      ]);
    });
    it(`are none the other way round: before ${what}`, () => {
      const both = [
        { name: 'first', match: inner },
        { name: 'second', match: outer },
      ];
      const same = JSON.stringify(inner) === JSON.stringify(outer);
      expect(warnings(...both)).toHaveLength(same ? 1 : 0);
    });
  }

  it('are none behind a route that is switched off, or one for something else', () => {
    expect(warnings({ name: 'a', active: false }, { name: 'b' })).toEqual([]);
    expect(warnings({ name: 'a', match: { stream: true } }, { name: 'b', match: { stream: false } })).toEqual(
      [],
    );
    expect(
      warnings({ name: 'a', match: { when: () => true } }, { name: 'b', match: { when: () => true } }),
    ).toEqual([]);
  });
});
