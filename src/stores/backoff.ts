import type { Runtime } from '../runtime.ts';

const firstMs = 50;
const maxMs = 1_000;

/** The wait before the next try after this many failures: doubles each time, up to a second, with jitter. */
export function backoffMs(failures: number, runtime: Runtime): number {
  const fullMs = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 10));
  return fullMs * (0.5 + runtime.random() / 2);
}
