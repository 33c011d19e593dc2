import assert from 'node:assert/strict';
import type { WritableKeyStore } from '../../stores/key-store.ts';
import type { StoreCase } from './store-case.ts';

/** Answers are in whole milliseconds, or rounded to them. */
const roundingMs = 2;

/** `readClockMs`. */
export const keyClockCases: readonly StoreCase<WritableKeyStore>[] = [
  {
    name: 'tells one clock on every node, that goes on as time does',
    needs: ['clock'],
    async run({ store, second }) {
      const nodes = [store, await second()];
      let first:
        | { readonly sentAtMs: number; readonly readAtMs: number; readonly clockMs: number }
        | undefined;
      for (let index = 0; index < 6; index++) {
        const { readClockMs } = nodes[index % 2] as WritableKeyStore;
        assert.ok(readClockMs, 'the store has no readClockMs: leave the case out with the reason');
        const sentAtMs = performance.now();
        const clockMs = await readClockMs();
        const readAtMs = performance.now();
        first ??= { sentAtMs, readAtMs, clockMs };
        const wentOnMs = clockMs - first.clockMs;
        assert.ok(wentOnMs >= sentAtMs - first.readAtMs - roundingMs, `it went on by ${wentOnMs} ms only`);
        assert.ok(wentOnMs <= readAtMs - first.sentAtMs + roundingMs, `it went on by ${wentOnMs} ms already`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  },
];
