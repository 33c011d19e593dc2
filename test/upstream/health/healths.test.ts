import { expect, it } from 'vitest';
import type { ParsedConfig } from '../../../src/config/schema.ts';
import type { Candidate } from '../../../src/routing/plan.ts';
import { createVirtualRuntime } from '../../../src/testing/virtual-runtime.ts';
import type { Egress } from '../../../src/upstream/egress.ts';
import { createUpstream } from '../../../src/upstream/upstream.ts';

const config = { breaker: {}, retry: { budget: {} } } as ParsedConfig;

function candidate(index: number): Candidate {
  return { id: `one/model-${index}#main`, target: { provider: { config: {} } } } as Candidate;
}

it('the healths of all models of a large site are remembered, and not without bound', () => {
  const { healths } = createUpstream({} as Egress, createVirtualRuntime());
  for (let index = 0; index < 2_000; index++) healths.of(candidate(index), config).begin();
  expect(healths.of(candidate(0), config).inFlight).toBe(1);
  for (let index = 2_000; index < 20_000; index++) healths.of(candidate(index), config);
  expect(healths.report()).toHaveLength(5_000);
  healths.close();
});

it('copies of requests make no room for further attempts of callers', () => {
  const { healths } = createUpstream({} as Egress, createVirtualRuntime());
  const budget = { ratio: 0.2, floor: 0, windowMs: 60_000 };
  const tight = { breaker: {}, retry: { budget } } as ParsedConfig;
  const [own, other] = [healths.of(candidate(0), tight), healths.of(candidate(1), tight)];
  for (let turn = 0; turn < 10; turn++) own.budget.noteFirst(0);
  const ofCopies = healths.of({ ...candidate(0), id: `${own.id}~mirror` }, tight);
  for (let turn = 0; turn < 100; turn++) ofCopies.budget.noteFirst(0);
  // one that fails, too, takes others' requests out of what all have together
  other.budget.noteFailed(0);
  const taken = [1, 2, 3].map(() => other.budget.take(0, false));
  expect(taken).toEqual([true, true, false]);
  healths.close();
});
