import { describe, expect, it } from 'vitest';
import { limitHeaders } from '../../src/limits/headers.ts';
import type { LedgerScope, ScopeState } from '../../src/limits/ledger.ts';
import { type Limit, scopeKeyOf, toLimit, toWindowMs } from '../../src/limits/limit.ts';
import { toLimits } from '../../src/limits/limits-of-level.ts';
import { createPrincipal, type PrincipalInput } from '../../src/principal.ts';

const facts: PrincipalInput = {
  source: 'key',
  key: 'KID',
  team: 'payments',
  project: 'checkout',
  user: 'ada',
};
const principal = createPrincipal(facts);

describe('a limit', () => {
  it.each([
    ['30s', 30_000],
    ['1m', 60_000],
    ['2h', 7_200_000],
    ['31d', 2_678_400_000],
  ])('of %s has a window of %i milliseconds', (window, ms) => expect(toWindowMs(window)).toBe(ms));

  it('says in its label what an operator would: where it stands, how much, of what, for whom, on what', () => {
    const limit = toLimit(
      { unit: 'usd', amount: '12.5', window: '1d', mode: 'warn', models: ['gpt-*', 'o3'] },
      'team payments',
      'team',
    );
    expect(limit.label).toBe('team payments: 12.5 usd per 1d for each team on gpt-*, o3');
    expect(limit).toMatchObject({
      amount: 12_500_000_000,
      window: { id: '1d' },
      per: ['team'],
      mode: 'warn',
    });
    expect(
      toLimit({ unit: 'parallel', amount: 3, mode: 'block' }, 'organisation', 'organisation').label,
    ).toBe('organisation: 3 parallel at once for each organisation');
  });

  it('keeps its count when only its amount changes, and counts apart by unit, window, models and subject', () => {
    const keyOf = (change: object) =>
      scopeKeyOf(
        toLimit({ unit: 'tokens', amount: 5, window: '1m', mode: 'block', ...change }, 'profile p', 'key'),
        principal,
        'gpt-4.1',
      );
    expect(keyOf({ amount: 50 })).toBe(keyOf({}));
    const keys = [
      keyOf({}),
      keyOf({ unit: 'requests' }),
      keyOf({ window: '1h' }),
      keyOf({ models: ['gpt-*'] }),
      keyOf({ models: ['gpt-4.1'] }),
      ...['user', 'project', 'team', 'organisation'].map((per) => keyOf({ per })),
    ];
    expect(keys).not.toContain(undefined);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('counts apart what stands beside a limit of the same kind in another mode', () => {
    const keysOf = (...modes: Limit['mode'][]) =>
      toLimits(
        modes.map((mode) => ({ unit: 'tokens', amount: 5, window: '1m', mode })),
        'profile p',
        'key',
      ).limits.map((limit) => scopeKeyOf(limit, principal, 'gpt-4.1'));
    expect(new Set(keysOf('shadow', 'warn', 'block')).size).toBe(3);
    // the count stays with the strictest, so that a limit alone can change its mode and go on
    const [alone] = keysOf('warn');
    expect(keysOf('block')).toEqual([alone]);
    expect(keysOf('shadow')).toEqual([alone]);
    expect(keysOf('warn', 'block')[1]).toBe(alone);
    expect(keysOf('shadow', 'warn')[1]).toBe(alone);
  });

  it('does not concern a caller without the subject it adds up, nor a model that it does not name', () => {
    const per = (subject: 'user' | 'project') =>
      toLimit({ unit: 'requests', amount: 1, window: '1m', mode: 'block', per: subject }, 'x', 'key');
    expect(scopeKeyOf(per('user'), { ...principal, user: undefined }, 'm')).toBeUndefined();
    expect(scopeKeyOf(per('project'), { ...principal, project: undefined }, 'm')).toBeUndefined();
    const narrow = toLimit(
      { unit: 'requests', amount: 1, window: '1m', mode: 'block', models: ['gpt-*'] },
      'x',
      'key',
    );
    expect(scopeKeyOf(narrow, principal, 'claude')).toBeUndefined();
    expect(scopeKeyOf(narrow, principal, '')).toBeUndefined();
    expect(scopeKeyOf(narrow, principal, 'gpt-5')).toBeDefined();
  });

  it('gives no caller the count of another, whatever their names are', () => {
    const user = toLimit(
      { unit: 'requests', amount: 1, window: '1m', mode: 'block', per: 'user' },
      'x',
      'key',
    );
    const names = ['a', 'a/key=KID', 'A', 'a ', '\u00e4', 'a\u0308', '__proto__', 'a/user=a'];
    expect(new Set(names.map((name) => scopeKeyOf(user, { ...principal, user: name }, 'm'))).size).toBe(
      names.length,
    );
  });
});

describe('the header fields of limits', () => {
  const limit = (unit: Limit['unit'], amount: number, mode: Limit['mode'] = 'block'): Limit =>
    toLimit({ unit, amount, window: '1m', mode }, 'x', 'key');
  const scopeOf = ({ label, amount, window }: Limit): LedgerScope => ({
    key: label,
    amount,
    hold: 1,
    charge: 1,
    mode: 'block',
    span: window.spanAt(0),
  });
  const state = (used: number, held: number, amount: number): ScopeState => ({ key: '', used, held, amount });

  it('speak of the block limit with the least left, and never of less than nothing', () => {
    const limits = [
      limit('requests', 10),
      limit('requests', 100),
      limit('requests', 1, 'warn'),
      limit('tokens', 50),
    ];
    expect(
      limitHeaders(
        'openai',
        limits,
        limits.map(scopeOf),
        [state(2, 1, 10), state(95, 4, 100), state(5, 0, 1), state(60, 0, 50)],
        undefined,
      ),
    ).toEqual({
      'x-ratelimit-limit-requests': '100',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-limit-tokens': '50',
      'x-ratelimit-remaining-tokens': '0',
    });
  });

  it('carry warnings as one line that any header can hold', () => {
    const warning = limitHeaders('openai', [], [], [], ['team größe\r\nx-evil: 1', 'y'.repeat(2_000)])[
      'x-headgate-warning'
    ];
    expect(warning).toMatch(/^team gr.{1,2}e\?\?x-evil: 1; y+$/);
    expect(warning).toHaveLength(1_000);
  });
});
