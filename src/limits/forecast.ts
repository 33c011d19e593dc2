import type { ScopeState, Span } from './ledger.ts';

/**
 * When a limit runs out if use goes on as in its window so far, milliseconds since the epoch; `undefined` when it
 * resets before that, when nothing is used, and where no window tells how long it took.
 *
 * @param resetsAtMs when its use starts to be freed
 */
export function runsOutAtMs(
  { used, held, amount }: ScopeState,
  { buckets, fromMs }: Span,
  resetsAtMs: number | undefined,
  nowMs: number,
): number | undefined {
  const left = amount - used - held;
  if (left <= 0) return nowMs;
  // in a rolling window the oldest bucket is the first that counts
  const beganAtMs = Math.min(fromMs, buckets[0] ?? fromMs);
  const elapsedMs = nowMs - beganAtMs;
  if (used <= 0 || beganAtMs <= 0 || elapsedMs <= 0) return undefined;
  const atMs = nowMs + Math.ceil((left * elapsedMs) / used);
  if (resetsAtMs !== undefined && buckets.length === 1 && atMs >= resetsAtMs) return undefined;
  return Number.isSafeInteger(atMs) && atMs <= 8.64e15 ? atMs : undefined;
}
