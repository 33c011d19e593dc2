import { LRUCache } from 'lru-cache';
import type { Runtime } from '../runtime.ts';
import { toAddressGroup } from './address-group.ts';
import { requireInteger } from './option.ts';

/** Bounds on failed authentication. Valid keys are not counted, and those seen recently are never held up. */
export interface FailedKeysOptions {
  /** Refused keys that one address (IPv6: one /64 network) may send in a minute before it gets 429. @default 30 */
  readonly perMinute?: number;
  /**
   * Unknown keys that are looked up in the store each second for an address that has sent too many refused keys in this
   * minute; any more get 429 without a look-up, valid or not. @default 100
   */
  readonly lookUpsPerSecond?: number;
  /** Addresses remembered; the one that failed longest ago is forgotten first. @default 10_000 */
  readonly maxAddresses?: number;
}

const windowMs = 60_000;

/** Counts failures by address. */
export interface CountFailure {
  /** Counts one. Returns the seconds to wait if it was one too many, else 0. */
  (remoteAddress: string | undefined): number;
  /**
   * Counts a store look-up of an unknown key. Returns the seconds to wait if it must not be made, because the address
   * has sent too many failed keys, else 0. @default none is refused
   */
  readonly lookUp?: (remoteAddress: string | undefined) => number;
}

/** Fixed one-minute windows, each opened by an address's first failure. */
export function createFailedKeyCounter(runtime: Runtime, options: FailedKeysOptions): CountFailure {
  const perMinute = requireInteger('failedKeys.perMinute', options.perMinute ?? 30, 0);
  const maxAddresses = requireInteger(
    'failedKeys.maxAddresses',
    options.maxAddresses ?? 10_000,
    1,
    10_000_000,
  );
  const lookUpsPerSecond = requireInteger('failedKeys.lookUpsPerSecond', options.lookUpsPerSecond ?? 100, 0);
  const windows = new LRUCache<string, Window>({ max: maxAddresses });

  const count = (remoteAddress: string | undefined): number => {
    const group = toAddressGroup(remoteAddress);
    const nowMs = runtime.monotonicMs();
    let window = windows.get(group);
    if (window === undefined || nowMs - window.startMs >= windowMs) {
      window = { startMs: nowMs, failures: 0, secondMs: nowMs, lookUps: 0 };
      windows.set(group, window);
    }
    window.failures++;
    return window.failures > perMinute
      ? Math.max(1, Math.ceil((window.startMs + windowMs - nowMs) / 1_000))
      : 0;
  };
  const lookUp = (remoteAddress: string | undefined): number => {
    const window = windows.peek(toAddressGroup(remoteAddress));
    const nowMs = runtime.monotonicMs();
    if (window === undefined || window.failures <= perMinute || nowMs - window.startMs >= windowMs) return 0;
    if (nowMs - window.secondMs >= 1_000) {
      window.secondMs = nowMs;
      window.lookUps = 0;
    }
    window.lookUps++;
    return window.lookUps > lookUpsPerSecond ? 1 : 0;
  };
  return Object.assign(count, { lookUp });
}

interface Window {
  readonly startMs: number;
  failures: number;
  /** Start of the second that `lookUps` counts in, after too many failures. */
  secondMs: number;
  lookUps: number;
}
