import { describe, expect, it } from 'vitest';
import { RollingCounts } from '../../../src/upstream/health/rolling-counts.ts';

describe('what became of the attempts of the last ten seconds', () => {
  it('holds all of the last nine and nothing that is older than ten, however long the pauses', () => {
    let seed = 7;
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    let nowMs = 123;
    const counts = new RollingCounts(nowMs);
    const log: { readonly atMs: number; readonly kind: 'succeeded' | 'failed' | 'broke' }[] = [];
    for (let step = 0; step < 5_000; step++) {
      // mostly milliseconds, now and then longer than the window
      nowMs += Math.floor(random() ** 8 * 30_000);
      const kind = (['succeeded', 'failed', 'broke'] as const)[Math.floor(random() * 3)] ?? 'broke';
      counts.moveTo(nowMs);
      counts[kind]();
      log.push({ atMs: nowMs, kind });
      const count = (ms: number, kinds: readonly string[]) =>
        log.filter((entry) => nowMs - entry.atMs < ms && kinds.includes(entry.kind)).length;
      for (const [counted, kinds] of [
        [counts.attempts, ['succeeded', 'failed']],
        [counts.failures, ['failed', 'broke']],
        [counts.successes, ['succeeded']],
      ] as const) {
        expect(counted).toBeGreaterThanOrEqual(count(9_000, kinds));
        expect(counted).toBeLessThanOrEqual(count(10_000, kinds));
      }
    }
  });
});
