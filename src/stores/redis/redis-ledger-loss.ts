import { restoreLedger } from './ledger-scripts.ts';
import { toText } from './redis-ledger-arguments.ts';
import type { LedgerServer } from './redis-ledger-server.ts';

const maxBuckets = 100_000;

/** What is used of a scope in one bucket, for a ledger that starts over. */
export interface RebuiltBucket {
  /** As `LedgerScope.key`. */
  readonly key: string;
  /** As `Span.bucket`. */
  readonly bucket: number;
  /** A safe integer ≥ 0. */
  readonly used: number;
  /** As `Span.forgetMs`. */
  readonly forgetMs: number;
}

/** @throws TypeError for a use that is not a safe integer ≥ 0, and for more than 100,000 buckets */
export function toRestoreParameters(buckets: readonly RebuiltBucket[]): string[] {
  if (buckets.length > maxBuckets) {
    throw new TypeError(`A ledger is rebuilt from at most ${maxBuckets} buckets, not ${buckets.length}.`);
  }
  return buckets.flatMap(({ key, bucket, used, forgetMs }) => {
    if (!Number.isSafeInteger(used) || used < 0 || !Number.isSafeInteger(bucket)) {
      throw new TypeError(
        `A rebuilt bucket of "${key}" has ${used} used in ${bucket}: both must be safe integers.`,
      );
    }
    return [toText(key), String(bucket), String(used), Number.isFinite(forgetMs) ? String(forgetMs) : ''];
  });
}

/** Starts over after the loss the server was last found in. Resolves to whether this call did it. */
export async function restore(
  server: LedgerServer,
  parameters: readonly string[],
  deadlineMs: number,
): Promise<boolean> {
  const { lostEpoch } = server;
  if (lostEpoch === undefined) return false;
  const epoch = server.newEpoch();
  const done = await server.runBare(restoreLedger, [lostEpoch, epoch, ...parameters], deadlineMs);
  return Number(done) === 1;
}
