import { GatewayError } from '../errors.ts';
import type { GatewayRequest } from '../message.ts';
import type { Runtime } from '../runtime.ts';
import { whenGone } from '../when-gone.ts';
import type { ScopeState } from './ledger.ts';
import type { Limit } from './limit.ts';

/** How often a slot is asked for again: nothing signals when one is free. */
const slotMs = 100;

/**
 * How long a request that a limit has denied waits before it asks again; undefined if the limit allows no wait, or only
 * a shorter one.
 *
 * @param waitedMs how long it has waited already
 * @param resetsAtMs when use starts to be freed; undefined for never, and for slots
 */
export function throttleFor(
  { unit, throttleMs }: Pick<Limit, 'unit' | 'throttleMs'>,
  state: Pick<ScopeState, 'amount'>,
  resetsAtMs: number | undefined,
  nowMs: number,
  waitedMs: number,
): number | undefined {
  const leftMs = throttleMs - waitedMs;
  if (leftMs <= 0 || state.amount <= 0) return undefined;
  if (unit === 'parallel') return Math.min(slotMs, leftMs);
  if (resetsAtMs === undefined) return undefined;
  const waitMs = Math.max(1, resetsAtMs - nowMs);
  return waitMs <= leftMs ? waitMs : undefined;
}

/** Resolves after `waitMs`. @throws GatewayError `caller_gone` when the caller leaves first */
export function waitForRoom(
  waitMs: number,
  runtime: Runtime,
  request: Pick<GatewayRequest, 'signal' | 'whenGone'>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let release: () => void = () => undefined;
    const cancel = runtime.schedule(waitMs, () => {
      release();
      resolve();
    });
    release = whenGone(request, () => {
      cancel();
      reject(new GatewayError('caller_gone', 'The caller closed the connection.'));
    });
  });
}
