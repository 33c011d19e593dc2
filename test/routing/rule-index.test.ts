import fc from 'fast-check';
import type { GatewayConfig } from 'headgate';
import { describe, expect, it } from 'vitest';
import { compileTexts, matchesAnyText } from '../../src/routing/rules/text.ts';
import { type Asked, base, startRouter, withRoutes } from './context.ts';

type Routes = NonNullable<GatewayConfig['routes']>;

const values = ['a', 'b', 'c', 'a*', '*'];
const some = fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const match = fc.record({
  models: maybe(fc.uniqueArray(fc.constantFrom('gpt-4.1', 'gpt-mini', 'gpt-*'), { minLength: 1 })),
  teams: maybe(fc.uniqueArray(fc.constantFrom('payments', 'berlin', 'pay*'), { minLength: 1 })),
  users: maybe(some),
  keys: maybe(some),
  projects: maybe(some),
  metadata: maybe(fc.dictionary(fc.constantFrom('env', 'app'), some, { minKeys: 1 })),
  headers: maybe(fc.dictionary(fc.constantFrom('x-one', 'x-two'), some, { minKeys: 1 })),
  stream: maybe(fc.boolean()),
});

const asked: fc.Arbitrary<Asked> = fc
  .record({
    model: fc.constantFrom('gpt-4.1', 'gpt-mini'),
    team: fc.constantFrom('payments', 'berlin'),
    user: maybe(fc.constantFrom('a', 'b', 'ab')),
    key: fc.constantFrom('a', 'b', 'ab'),
    project: maybe(fc.constantFrom('a', 'b')),
    metadata: fc.dictionary(fc.constantFrom('env', 'app'), fc.constantFrom('a', 'b', 'ab')),
    headers: fc.dictionary(
      fc.constantFrom('x-one', 'x-two'),
      fc.constantFrom<string | string[]>('a', 'b', ['c', 'a'], ['b', 'b']),
    ),
  })
  .map(({ model, team, user, key, project, metadata, headers }) => ({
    ...{ metadata, headers: headers as Asked['headers'] },
    body: { model, messages: [] },
    principal: { key, team, ...(user && { user }), ...(project && { project }) },
  })) as fc.Arbitrary<Asked>;

describe('routes that are looked up', () => {
  it('decide as they do when each is asked in its turn', () => {
    fc.assert(
      fc.property(
        fc.array(match, { minLength: 1, maxLength: 30 }),
        fc.array(asked, { minLength: 1, maxLength: 5 }),
        (matches, requests) => {
          const routes = matches.map((one, index) => ({
            name: `route-${index}`,
            match: Object.fromEntries(Object.entries(one).filter(([, value]) => value !== undefined)),
            targets: ['local'],
          })) as Routes;
          const { plan, trace } = startRouter(
            withRoutes(routes, { profiles: { ...base.profiles, european: {} } }),
          );
          for (const request of requests) {
            const first = trace(request).routes.find(({ matched }) => matched)?.route;
            expect(plan(request).route).toBe(first);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('are asked in their order, looked up or not', () => {
    const routes = [
      ...Array.from({ length: 10 }, (_, index) => ({
        name: `other-${index}`,
        match: { users: [`u${index}`] },
      })),
      { name: 'by-metadata', match: { metadata: { env: 'test' } } },
      { name: 'by-pattern', match: { users: ['ad*'] } },
      { name: 'by-user', match: { users: ['ada'] } },
    ].map((route) => ({ ...route, targets: ['local'] }));
    const { plan } = startRouter(withRoutes(routes));
    const ada = { principal: { user: 'ada' } };
    expect(plan(ada).route).toBe('by-pattern');
    expect(plan({ ...ada, metadata: { env: 'test' } }).route).toBe('by-metadata');
    expect(plan({ principal: { user: 'u7' } }).route).toBe('other-7');
    expect(plan({ principal: { user: 'bob' } }).route).toBeUndefined();
  });
});

describe('patterns that were taken apart', () => {
  it('match what they match as they are written', () => {
    // few letters, so that some match
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 });
    const pattern = fc.tuple(text, fc.constantFrom('', '*')).map(([begin, end]) => begin + end);
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 4 }), text, (patterns, text) => {
        expect(compileTexts(patterns)(text)).toBe(matchesAnyText(patterns, text));
      }),
      { numRuns: 500 },
    );
  });
});
