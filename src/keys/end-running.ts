import type { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import type { KeyRecord } from '../stores/key-store.ts';
import type { RunningByKey } from '../upstream/running-by-key.ts';
import { keyStateAt } from './key-state.ts';
import { invalidKey, unauthorized } from './refusal.ts';
import type { KeyResolver } from './resolver.ts';

/** Ends running requests whose key has ended. */
export interface RunningEnder {
  /** A key may have changed; without a kid, any. */
  changed(kid?: string): void;
  close(): void;
}

/** How often the keys of running requests are checked, with or without notifications. */
const pollMs = 5_000;

/**
 * Ends the running requests of keys that were revoked or removed, or that expire: as soon as that is reported, at the
 * instant of the expiry, and, without reports, within the time that records are trusted. Keys with nothing running are
 * not checked.
 */
export function createRunningEnder(
  running: RunningByKey,
  resolver: Pick<KeyResolver, 'find' | 'nowMs'>,
  runtime: Runtime,
): RunningEnder {
  /** Cancels the wait for a key's expiry, by kid. */
  const expiries = new Map<string, () => void>();
  let endPoll: (() => void) | undefined;
  let isClosed = false;

  const judge = (kid: string, record: KeyRecord | null): void => {
    if (isClosed || !running.has(kid)) return;
    const nowMs = resolver.nowMs?.() ?? runtime.now();
    const error = whyEnded(record, nowMs);
    if (error) running.interrupt(kid, error);
    else if (typeof record?.expiresAtMs === 'number') awaitExpiry(kid, record.expiresAtMs - nowMs);
  };
  const look = (kid: string): void => {
    const found = resolver.find?.(kid);
    if (found instanceof Promise) {
      // a failed read tells nothing; the store is asked again
      found.then((record) => judge(kid, record)).catch(() => undefined);
    } else if (found !== undefined) judge(kid, found);
  };
  const awaitExpiry = (kid: string, ms: number): void => {
    expiries.get(kid)?.();
    const cancel = runtime.schedule(Math.ceil(ms), () => {
      expiries.delete(kid);
      if (running.has(kid)) look(kid);
    });
    expiries.set(kid, cancel);
  };
  const poll = (): void => {
    endPoll = undefined;
    const { kids } = running;
    for (const kid of kids) look(kid);
    for (const [kid, cancel] of expiries) {
      if (running.has(kid)) continue;
      cancel();
      expiries.delete(kid);
    }
    if (kids.length > 0) endPoll = runtime.schedule(pollMs, poll);
  };

  running.onAdd = (kid) => {
    // it may have been revoked while the request waited for its turn
    look(kid);
    endPoll ??= runtime.schedule(pollMs, poll);
  };
  return {
    changed(kid) {
      if (kid === undefined) running.kids.forEach(look);
      else if (running.has(kid)) look(kid);
    },
    close() {
      isClosed = true;
      running.onAdd = undefined;
      endPoll?.();
      for (const cancel of expiries.values()) cancel();
      expiries.clear();
    },
  };
}

function whyEnded(record: KeyRecord | null, nowMs: number): GatewayError | undefined {
  if (record === null) return invalidKey();
  const state = keyStateAt(record, nowMs);
  if (state === 'revoked')
    return unauthorized('revoked_key', 'The key was revoked while this request was running.');
  if (state === 'expired')
    return unauthorized('expired_key', 'The key expired while this request was running.');
  return undefined;
}
