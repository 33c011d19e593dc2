import type { Ledger, LedgerScope } from 'headgate';
import type { VirtualRuntime } from 'headgate/testing';

/** A way to a shared ledger that takes time, and that a test can disturb. */
export interface Network {
  readonly ledger: Ledger;
  /** Calls that have been sent, by method. */
  readonly calls: { reserve: number; renew: number; settle: number; peek: number };
  /** Nothing arrives or comes back before this instant, by the monotonic clock. What was sent is applied then. */
  frozenUntilMs: number;
  /** Whether calls are rejected without arriving. */
  isCut: boolean;
  /** Whether the node has died: nothing is sent or heard any more. */
  isDead: boolean;
  /**
   * What the node has given back of a bucket and the shared ledger does not know of yet, since the settlement is on its
   * way: the node reports it no longer, and nobody else can have it.
   */
  onItsWayBack(key: string, bucket: number): number;
}

/** @param delayMs the time of each way, drawn anew for each call */
export function createNetwork(
  runtime: VirtualRuntime,
  shared: Ledger,
  delayMs: () => number = () => 0.5,
): Network {
  const calls = { reserve: 0, renew: 0, settle: 0, peek: 0 };
  const reserved = new Map<string, readonly LedgerScope[]>();
  const settling = new Map<string, readonly number[]>();
  const network: Network = {
    calls,
    frozenUntilMs: 0,
    isCut: false,
    isDead: false,
    onItsWayBack(key, bucket) {
      let sum = 0;
      for (const [id, used] of settling) {
        reserved.get(id)?.forEach((scope, index) => {
          if (scope.key === key && scope.span.bucket === bucket) sum += scope.hold - (used[index] ?? 0);
        });
      }
      return sum;
    },
    ledger: {
      nowMs: () => shared.nowMs(),
      reserve: (...call) => {
        reserved.set(call[0], call[1]);
        return send('reserve', () => shared.reserve(...call));
      },
      renew: (...call) => send('renew', () => shared.renew(...call)),
      settle: (id, used) => {
        settling.set(id, used);
        return send('settle', () => {
          settling.delete(id);
          reserved.delete(id);
          return shared.settle(id, used);
        });
      },
      peek: (...call) => send('peek', () => shared.peek(...call)),
    },
  };

  function send<Value>(method: keyof typeof calls, apply: () => Value | Promise<Value>): Promise<Value> {
    if (network.isDead) return new Promise(() => undefined);
    calls[method]++;
    if (network.isCut) return Promise.reject(new Error('The connection is cut.'));
    return new Promise((resolve, reject) => {
      later(() => {
        const answer = (async () => apply())();
        answer.then(
          (value) => later(() => resolve(value)),
          (error: unknown) => later(() => reject(error)),
        );
      });
    });
  }

  /** What is on the way when the node dies still arrives; what comes back is heard by nobody. */
  function later(action: () => void): void {
    const thawMs = Math.max(0, network.frozenUntilMs - runtime.monotonicMs());
    runtime.schedule(Math.max(delayMs(), thawMs), () => {
      if (network.frozenUntilMs > runtime.monotonicMs()) later(action);
      else action();
    });
  }

  return network;
}

/** The span of a fixed window, or of a rolling one with `count` buckets. */
export function spanAt(nowMs: number, lengthMs: number | undefined, count = 1): LedgerScope['span'] {
  if (lengthMs === undefined) {
    const end = Number.POSITIVE_INFINITY;
    return { bucket: 0, buckets: [0], fromMs: 0, untilMs: end, forgetMs: end };
  }
  const bucket = Math.floor(nowMs / lengthMs) * lengthMs;
  const buckets = Array.from({ length: count }, (_, index) => bucket - (count - 1 - index) * lengthMs);
  const untilMs = bucket + lengthMs;
  return { bucket, buckets, fromMs: bucket, untilMs, forgetMs: untilMs + count * lengthMs + 7_200_000 };
}

/** A scope of tokens without a window, unless said otherwise. */
export function scopeOf(
  key: string,
  amount: number,
  hold: number,
  more: Partial<LedgerScope> = {},
): LedgerScope {
  return { key, amount, hold, charge: hold, mode: 'block', span: spanAt(0, undefined), ...more };
}
