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
