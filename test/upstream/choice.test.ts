import { describe, expect, it } from 'vitest';
import type { Candidate } from '../../src/routing/plan.ts';
import { choose } from '../../src/upstream/choice.ts';
import type { Availability } from '../../src/upstream/health/target-health.ts';

/** Which of these is asked; each is told with the time that is left until it may be asked, and how it is with room. */
function choiceOf(
  targets: readonly (readonly [Availability, number?, Availability?])[],
  { mostWaitMs = 1_000, mayWait = true, admits = (_index: number): boolean => true } = {},
) {
  const healths = targets.map(([availability, waitMs = 0, withRoom = 'ready']) => ({
    availability: () => availability,
    withRoom: () => withRoom,
    coolMs: () => waitMs,
    breaker: { waitMs: () => waitMs },
  }));
  const facts = {
    healths: { of: (index: number) => healths[index], probe: () => false },
    config: undefined,
    nowMs: 0,
    mostWaitMs,
    mayWait,
  };
  const candidates = [...healths.keys()] as unknown as Candidate[];
  const choice = choose(candidates, facts as never, (health) => admits(healths.indexOf(health as never)));
  return choice?.candidate;
}

describe('whom to ask next', () => {
  it('is the first that is ready, wherever it stands', () => {
    expect(choiceOf([['degraded'], ['cooling', 5], ['ready'], ['ready']])).toBe(2);
    expect(choiceOf([['probe'], ['ready']])).toBe(0);
  });

  it('is, where none is ready, the one that is least bad, whatever the order', () => {
    const worst: readonly Availability[] = ['dead', 'cooling', 'full', 'unpaid', 'degraded'];
    for (let count = 2; count <= worst.length; count++) {
      const targets = worst.slice(0, count).map((availability) => [availability, 5] as const);
      expect(choiceOf(targets)).toBe(count - 1);
      expect(choiceOf(targets.toReversed())).toBe(0);
    }
  });

  it('is, of those that are to be left alone, the one that may be asked first, if that is soon', () => {
    expect(
      choiceOf([
        ['cooling', 900],
        ['cooling', 20],
        ['cooling', 500],
      ]),
    ).toBe(1);
    expect(choiceOf([['cooling', 20]], { mostWaitMs: 20 })).toBe(0);
    expect(choiceOf([['cooling', 21]], { mostWaitMs: 20 })).toBeUndefined();
    expect(
      choiceOf([
        ['dead', 900],
        ['dead', 20],
      ]),
    ).toBe(1);
  });

  it('is, of those that are full, one that is well: a place at one that is ill is worth less', () => {
    const full = (withRoom: Availability) => ['full', 0, withRoom] as const;
    expect(choiceOf([full('unpaid'), full('degraded'), full('ready'), full('ready')])).toBe(2);
    expect(choiceOf([full('unpaid'), full('degraded')])).toBe(1);
  });

  it('is nobody that is dead where the request may not wait for the probe, or not long enough', () => {
    expect(choiceOf([['dead', 5]], { mayWait: false })).toBeUndefined();
    // its probe is under way, which takes some time all the same
    expect(choiceOf([['dead', 0]], { mostWaitMs: 0 })).toBeUndefined();
  });

  it('is the next best where one is not admitted', () => {
    expect(choiceOf([['ready'], ['unpaid'], ['degraded']], { admits: (index) => index !== 0 })).toBe(2);
    expect(choiceOf([['unpaid'], ['degraded']], { admits: (index) => index === 0 })).toBe(0);
    expect(choiceOf([['unpaid'], ['degraded']], { admits: () => false })).toBeUndefined();
  });
});
