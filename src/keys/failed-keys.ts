import { LRUCache } from 'lru-cache';
import type { Runtime } from '../runtime.ts';
import { toAddressGroup } from './address-group.ts';
import { requireInteger } from './option.ts';

/** Bounds on failed authentication. Good keys are never counted and never held up. */
export interface FailedKeysOptions {
  /** Refused keys that one address (IPv6: one /64 network) may send in a minute before 429 answers. @default 30 */
  readonly perMinute?: number;
  /** Addresses remembered; the one that failed longest ago is forgotten first. @default 10_000 */
  readonly maxAddresses?: number;
}

const windowMs = 60_000;

/** Counts a failure; the seconds to wait when that was one too many, else 0. */
export type CountFailure = (remoteAddress: string | undefined) => number;

/** Fixed windows of a minute, each opened by an address's first failure. */
export function createFailedKeyCounter(runtime: Runtime, options: FailedKeysOptions): CountFailure {
  const perMinute = requireInteger('failedKeys.perMinute', options.perMinute ?? 30, 0);
  const maxAddresses = requireInteger(
    'failedKeys.maxAddresses',
    options.maxAddresses ?? 10_000,
    1,
    10_000_000,
  );
  const windows = new LRUCache<string, { readonly startMs: number; failures: number }>({ max: maxAddresses });
  return (remoteAddress) => {
    const group = toAddressGroup(remoteAddress);
    const nowMs = runtime.monotonicMs();
    let window = windows.get(group);
    if (window === undefined || nowMs - window.startMs >= windowMs) {
      window = { startMs: nowMs, failures: 0 };
      windows.set(group, window);
    }
    window.failures++;
    return window.failures > perMinute
      ? Math.max(1, Math.ceil((window.startMs + windowMs - nowMs) / 1_000))
      : 0;
  };
}
