import { createMemoryLedger, type LimitEvent } from 'headgate';
import { describe, expect, it } from 'vitest';
import { toRateLimitParts } from '../../src/limits/rate-limit-parts.ts';
import { runtime } from '../harness.ts';

describe('whoever is told of limits', () => {
  it('ends no request and no process by throwing', () => {
    const told: LimitEvent[] = [];
    const onLimit = (event: LimitEvent) => {
      told.push(event);
      throw new Error('the logger is broken');
    };
    const parts = toRateLimitParts(
      { ledger: createMemoryLedger(runtime), onLimit },
      { read: () => undefined },
    );
    parts.onLimit({ kind: 'lease-lost', id: 'r1' });
    expect(told).toEqual([{ kind: 'lease-lost', id: 'r1' }]);
  });
});
