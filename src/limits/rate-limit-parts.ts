import { requireInteger } from '../keys/option.ts';
import { quietly } from '../quietly.ts';
import { createLeases } from './leases.ts';
import type { Ledger } from './ledger.ts';
import { createThresholds, type LimitEvent } from './limit-event.ts';
import type { Runs } from './run.ts';
import type { SettleParts } from './settle-when-ended.ts';
import { WaitingRoom } from './waiting-room.ts';

/** What `rateLimit` is made of. */
export interface RateLimitOptions {
  readonly ledger: Ledger;
  /** How long a hold outlives a gateway that died. Then its request counts what was last reported. @default 30_000 */
  readonly leaseMs?: number;
  /** How long after its last renewal the lease of a running request is renewed. At most half of `leaseMs`. @default a third of it */
  readonly renewMs?: number;
  /** How many requests may wait for room at once (`throttleMs` of a limit); more are refused. @default 1_000 */
  readonly maxWaiting?: number;
  /** Told of thresholds reached, overruns, lost leases and failures of the ledger. @default ignored */
  readonly onLimit?: (event: LimitEvent) => void;
  /** Knows the runs opened by `gateway.run`. @default runs are whatever callers name */
  readonly runs?: Pick<Runs, 'read'>;
  /** Whether limits are now decided without their ledger, for `GET /headgate/limits`. @default never */
  readonly isDegraded?: () => boolean;
}

/** What all requests of one stage share. */
export interface RateLimitParts extends SettleParts {
  readonly leaseMs: number;
  readonly runs: Pick<Runs, 'read'>;
  readonly waitingRoom: WaitingRoom;
  readonly isDegraded: () => boolean;
}

/** @throws TypeError for an option out of its range, naming it */
export function toRateLimitParts(options: RateLimitOptions, namedRuns: Pick<Runs, 'read'>): RateLimitParts {
  const { ledger, onLimit } = options;
  const leaseMs = requireInteger('leaseMs', options.leaseMs ?? 30_000, 2, 86_400_000, 'rateLimit');
  const thirdMs = Math.ceil(leaseMs / 3);
  const renewMs = requireInteger('renewMs', options.renewMs ?? thirdMs, 1, leaseMs / 2, 'rateLimit');
  const maxWaiting = requireInteger('maxWaiting', options.maxWaiting ?? 1_000, 0, 1_000_000, 'rateLimit');
  const tell = quietly(onLimit);
  const onLost = (id: string, cause?: unknown) =>
    tell(cause === undefined ? { kind: 'lease-lost', id } : { kind: 'ledger-failed', id, cause });
  return {
    ledger,
    leaseMs,
    leases: createLeases({ ledger, leaseMs, renewMs, onLost }),
    runs: options.runs ?? namedRuns,
    thresholds: onLimit && createThresholds(tell),
    onLimit: tell,
    waitingRoom: new WaitingRoom(maxWaiting),
    isDegraded: options.isDegraded ?? never,
  };
}

function never(): boolean {
  return false;
}
