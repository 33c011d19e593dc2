import { thresholdsCrossed } from './amount.ts';
import type { LimitUnit, ScopeState } from './ledger.ts';
import type { Limit } from './limit.ts';

/** What a gateway reports about its limits. */
export type LimitEvent =
  | {
      /** A threshold is reached. Once for each threshold and window in each process. */
      readonly kind: 'threshold';
      readonly label: string;
      /** The ledger key: limit and subject. */
      readonly key: string;
      readonly unit: LimitUnit;
      readonly mode: Limit['mode'];
      /** In percent of the amount. */
      readonly percent: number;
      /** In units; nano-USD for `usd`. */
      readonly used: number;
      readonly amount: number;
      /** Milliseconds since the epoch; undefined for never. */
      readonly resetsAtMs: number | undefined;
    }
  | {
      /**
       * A request used more of a `block` limit than it held: the estimate was too low, or the provider counts more than the
       * request allowed. It counts in full, so a limit can be exceeded by the difference.
       */
      readonly kind: 'overrun';
      /** Of the reservation. */
      readonly id: string;
      readonly label: string;
      /** The ledger key: limit and subject. */
      readonly key: string;
      readonly unit: LimitUnit;
      /** In units; nano-USD for `usd`. */
      readonly held: number;
      readonly used: number;
    }
  /** The ledger no longer holds a running request: its lease ran out. What it uses is still counted when it ends. */
  | { readonly kind: 'lease-lost'; readonly id: string }
  /** The ledger became unavailable, or answers again; once for each change. */
  | {
      readonly kind: 'ledger';
      /** `degraded`: each limit follows its `onFailure`. */
      readonly state: 'degraded' | 'healthy';
      /** Why it became unavailable. */
      readonly cause?: unknown;
      /** How long the previous state lasted. */
      readonly lastedMs: number;
    }
  /** A renewal or a settlement failed; a renewal is retried, a settlement is left to the lease. */
  | { readonly kind: 'ledger-failed'; readonly id: string; readonly cause: unknown };

/** Reports when thresholds are reached. */
export interface Thresholds {
  /** Takes what the ledger says is used. */
  see(limit: Limit, state: ScopeState, bucket: number, resetsAtMs: number | undefined): void;
  /** Adds what a request has used since, in the bucket that it counts in. */
  add(key: string, used: number, bucket: number): void;
}

interface Seen {
  limit: Limit;
  used: number;
  amount: number;
  bucket: number;
  resetsAtMs: number | undefined;
  /** The use up to which it has been reported. */
  told: number;
}

/**
 * Follows how far limits are used, and reports each threshold once for each window. In each process: where several
 * share a ledger, each reports what it sees.
 *
 * @param maxKeys counts followed at once; the least recently seen is forgotten, and may be reported again
 */
export function createThresholds(onEvent: (event: LimitEvent) => void, maxKeys = 10_000): Thresholds {
  const seen = new Map<string, Seen>();

  function tell(key: string, count: Seen): void {
    const { limit, used, amount, resetsAtMs } = count;
    for (const percent of thresholdsCrossed(limit, count.told, used, amount)) {
      const { label, unit, mode } = limit;
      onEvent({ kind: 'threshold', label, key, unit, mode, percent, used, amount, resetsAtMs });
    }
    if (used > count.told) count.told = used;
  }

  return {
    see(limit, { key, used, amount }, bucket, resetsAtMs) {
      let count = seen.get(key);
      if (count) {
        seen.delete(key);
        // the same use is a larger share of a lower amount, which was not reported yet
        if (amount < count.amount) count.told *= amount / count.amount;
      }
      // a rolling window reports nothing again until its use has fallen
      if (!count || count.bucket !== bucket) {
        const told =
          count && used > 0 && limit.window.id.startsWith('rolling') ? Math.min(count.told, used) : 0;
        count = { limit, used, amount, bucket, resetsAtMs, told };
      } else {
        count.limit = limit;
        count.used = used;
        count.amount = amount;
      }
      seen.set(key, count);
      if (seen.size > maxKeys) seen.delete(seen.keys().next().value as string);
      tell(key, count);
    },
    add(key, used, bucket) {
      const count = seen.get(key);
      if (!count) return;
      // what ends after its window does not count in the next; a rolling one still has it
      if (bucket !== count.bucket && !count.limit.window.spanAt(count.bucket).buckets.includes(bucket))
        return;
      count.used += used;
      tell(key, count);
    },
  };
}
