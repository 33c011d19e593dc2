import { createLeasingLedger } from '../../../src/limits/leasing/leasing-ledger.ts';
import { createRuntime } from '../../../src/runtime.ts';
import { createMemoryLedger } from '../../../src/stores/memory/memory-ledger.ts';
import { type Figure, toLeast, toTime } from '../propagation/figures.ts';
import { toSpread } from '../propagation/statistics.ts';
import { toScopes } from './pace.ts';

const promisedUs = 10;
const rounds = 400;
const perRound = 250;

/** What a decision in memory takes, of five scopes, while slices last. What is under them does not matter to it. */
export async function measureDecision(): Promise<readonly Figure[]> {
  const runtime = createRuntime();
  const ledger = createLeasingLedger({ shared: createMemoryLedger(runtime), runtime });
  const tookUs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const scopes = toScopes('a', 1, ledger.nowMs());
    for (let number = 0; number < perRound; number++) {
      const id = `${round}/${number}`;
      const startMs = performance.now();
      const answer = ledger.reserve(id, scopes, 30_000);
      const us = (performance.now() - startMs) * 1_000;
      if (answer instanceof Promise) await answer;
      // the first half warms up
      else if (round >= rounds / 2) tookUs.push(us);
      void ledger.settle(id, [500, 2_000_000, 0, 500, 500]);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await ledger.close?.();
  const { count, p50, p99 } = toSpread(tookUs);
  const mean = tookUs.reduce((sum, us) => sum + us, 0) / count;
  return [
    toLeast('a decision in memory: measured', count, (rounds * perRound) / 4),
    toTime(
      'a decision in memory, of five scopes',
      p50,
      promisedUs,
      `mean ${mean.toFixed(1)} µs, p99 ${p99.toFixed(1)} µs`,
      'us',
    ),
  ];
}
