import { describe, expect, it } from 'vitest';
import { toLimit } from '../../src/limits/limit.ts';
import { noLimitStates, toLimitStates } from '../../src/limits/limit-states.ts';

const requests = toLimit({ unit: 'requests', amount: 10, window: '1m', mode: 'block' }, 'o', 'team');
const money = toLimit({ unit: 'usd', amount: 1, window: '1d', mode: 'warn' }, 'o', 'team');
const closed = toLimit({ unit: 'requests', amount: 0, window: '1d', mode: 'shadow' }, 'o', 'team');
const state = (used: number, held: number, amount: number) => ({ key: 'k', used, held, amount });

describe('the states of the limits of a request', () => {
  it('tell the largest share that is used and held, of all limits or of some', () => {
    const states = toLimitStates([requests, money], [state(2, 1, 10), state(1_500, 0, 1_000)]);
    expect(states.spentPercent()).toBe(150);
    expect(states.spentPercent(({ unit }) => unit === 'requests')).toBe(30);
    expect(states.spentPercent(({ unit }) => unit === 'tokens')).toBe(0);
    expect(states.all.map(({ limit, state: { used } }) => [limit.unit, used])).toEqual([
      ['requests', 2],
      ['usd', 1_500],
    ]);
  });

  it('of an amount of nothing are spent with the first use', () => {
    expect(toLimitStates([closed], [state(0, 0, 0)]).spentPercent()).toBe(0);
    expect(toLimitStates([closed], [state(0, 1, 0)]).spentPercent()).toBe(Infinity);
  });

  it('are none, and nothing is spent, where no limit concerns the request', () => {
    expect([noLimitStates.all, noLimitStates.spentPercent()]).toEqual([[], 0]);
  });
});
