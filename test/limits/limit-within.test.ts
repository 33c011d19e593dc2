import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limitSchema } from '../../src/config/schema/parts.ts';
import { amountAt } from '../../src/limits/amount.ts';
import { toLimit } from '../../src/limits/limit.ts';
import { isWithinLimit } from '../../src/limits/limit-within.ts';

const parse = (limit: object) => limitSchema().parse({ unit: 'tokens', amount: 10, window: '1d', ...limit });
const isWithin = (own: object, limit: object) => isWithinLimit(parse(own), parse(limit));

describe('a limit of a key is within another', () => {
  it.each<[string, object, object]>([
    ['when it is the same', {}, {}],
    ['when it is lower', { amount: 9 }, {}],
    ['in another spelling', { window: 'daily' }, { window: { every: 'day', timeZone: 'UTC' } }],
    ['by the same subjects in another order', { per: ['model', 'key'] }, { per: ['key', 'model'] }],
    ['when it blocks and the other warns', { mode: 'block' }, { mode: 'warn' }],
    ['when it is closed and the other is not', { onFailure: 'closed' }, {}],
    ['when it is raised to the amount of the other', { amount: 5, raises: [{ amount: 10, until: 9 }] }, {}],
    [
      'when it is raised less, and for a shorter time',
      { raises: [{ amount: 15, until: 8 }] },
      { raises: [{ amount: 20, until: 9 }] },
    ],
    ['when it ends earlier', { window: { from: 5, until: 8 } }, { window: { from: 5, until: 9 } }],
  ])('%s', (_, own, limit) => expect(isWithin(own, limit)).toBe(true));

  it.each<[string, object, object]>([
    ['when it is higher', { amount: 11 }, {}],
    ['in another window', { window: '1h' }, {}],
    ['in another unit', { unit: 'requests' }, {}],
    ['when it counts fewer tokens', { count: 'input' }, {}],
    ['when it weighs tokens differently', { weights: { cached: 0.1 } }, {}],
    ['for another subject', { per: ['key', 'model'] }, { per: 'key' }],
    ['when it warns and the other blocks', { mode: 'warn' }, {}],
    ['when it only counts and the other warns', { mode: 'shadow' }, { mode: 'warn' }],
    ['when it lets pass what the other refuses in an outage', { onFailure: 'open' }, {}],
    ['when it asks for less', { per: 'run' }, { per: 'run', required: true }],
    ['when it is raised above the other', { amount: 5, raises: [{ amount: 11, until: 9 }] }, {}],
    [
      'when it is raised for longer',
      { raises: [{ amount: 15, until: 9 }] },
      { raises: [{ amount: 20, until: 8 }] },
    ],
    ['when it ends later', { window: { from: 5, until: 10 } }, { window: { from: 5, until: 9 } }],
    ['when it begins anew', { window: { from: 6, until: 9 } }, { window: { from: 5, until: 9 } }],
  ])('and not %s', (_, own, limit) => expect(isWithin(own, limit)).toBe(false));

  it('only if it allows no more at any instant', () => {
    const raises = fc.array(
      fc.record({ amount: fc.integer({ min: 11, max: 20 }), until: fc.integer({ min: 1, max: 9 }) }),
      { maxLength: 3 },
    );
    const limits = fc.record({
      amount: fc.integer({ min: 0, max: 10 }),
      raises,
      window: fc.constantFrom({ from: 2, until: 5 }, { from: 2, until: 8 }, '1d'),
    });
    fc.assert(
      fc.property(limits, limits, (one, other) => {
        if (!isWithin(one, other)) return;
        for (let nowMs = 0; nowMs <= 10; nowMs++) {
          const [own, limit] = [one, other].map((config) =>
            amountAt(toLimit(parse(config), 'key', 'key'), nowMs),
          );
          expect(own).toBeLessThanOrEqual(limit as number);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
