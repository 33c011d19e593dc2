import { requireInteger } from '../keys/option.ts';
import type { Runtime } from '../runtime.ts';
import { createMemoryLedger } from '../stores/memory/memory-ledger.ts';
import type { LimitScope } from './apply.ts';
import {
  createFailurePolicy,
  type FailurePolicyLedger,
  type FailurePolicyOptions,
  type FailurePolicyReport,
} from './failure/failure-policy.ts';
import { createLeasingLedger, type LeasingLedger, type LeasingReport } from './leasing/leasing-ledger.ts';
import type { Ledger, LedgerScope } from './ledger.ts';
import type { LimitEvent } from './limit-event.ts';
import type { LimitOptions } from './limit-options.ts';
import { createNodeCount } from './node-count.ts';

/** How the limits of a gateway are currently decided. */
export interface LimitsHealth {
  /** `degraded` while the ledger is unavailable and each limit follows its `onFailure`. */
  readonly state: 'healthy' | 'degraded';
  /** What was decided, by whom, and what failed; undefined with limits in process memory or `failure: false`. */
  readonly decisions?: FailurePolicyReport;
  /** Slices and round trips; undefined without leasing. */
  readonly leasing?: LeasingReport;
}

/** The ledger of one gateway, with what stands between it and the store. */
export interface GatewayLedger {
  readonly ledger: Ledger;
  /** The one behind it, which other gateways may share. */
  readonly shared: Ledger;
  /** Whether the ledger behind it is unavailable. */
  readonly isDegraded: () => boolean;
  health(): LimitsHealth;
  /** Gives back slices and posts what is kept. The ledger that was passed in stays open. */
  close(): Promise<void>;
}

/**
 * Puts leasing and the failure policy in front of a ledger, as the options say; without a ledger, uses process memory.
 *
 * @throws TypeError for an option out of its range, naming it
 */
export function createGatewayLedger(options: {
  readonly given: Ledger | undefined;
  readonly limits: LimitOptions;
  readonly runtime: Runtime;
  readonly onEvent: (event: LimitEvent) => void;
  readonly onError: (error: unknown) => void;
}): GatewayLedger {
  const { given, limits, runtime, onEvent, onError } = options;
  const { failure = {}, leasing = false } = limits;
  if (!given) {
    const memory = createMemoryLedger(runtime, { onError });
    return ofMemory(memory, memory);
  }
  const leased =
    leasing === false
      ? undefined
      : createLeasingLedger({ ...(leasing === true ? {} : leasing), shared: given, runtime });
  if (failure === false)
    return { ...ofMemory(leased ?? given, given, leased), close: async () => leased?.close?.() };
  const least = requireInteger('leastNodes', limits.leastNodes ?? 1, 1, 1_000_000, 'createGateway');
  const counted = limits.nodes === undefined ? createNodeCount({ ledger: given, runtime, least }) : undefined;
  const guarded = createFailurePolicy({
    ...failure,
    ledger: leased ?? withoutClose(given),
    runtime,
    nodes: counted ? () => counted.count : (limits.nodes as number),
    policyOf,
    onChange: ({ state, cause, lastedMs }) => onEvent({ kind: 'ledger', state, cause, lastedMs }),
  });
  return {
    ledger: guarded,
    shared: given,
    isDegraded: () => guarded.report().state === 'degraded',
    health: () => toHealth(guarded, leased),
    async close() {
      await Promise.all([counted?.close(), guarded.close?.()]);
    },
  };
}

function ofMemory(ledger: Ledger, shared: Ledger, leased?: LeasingLedger): GatewayLedger {
  return {
    ledger,
    shared,
    isDegraded: () => false,
    health: () => ({ state: 'healthy', ...(leased && { leasing: leased.report() }) }),
    close: async () => {},
  };
}

function toHealth(guarded: FailurePolicyLedger, leased: LeasingLedger | undefined): LimitsHealth {
  const decisions = guarded.report();
  return { state: decisions.state, decisions, ...(leased && { leasing: leased.report() }) };
}

/** What each limit says itself; a scope made elsewhere is not let through uncounted. */
function policyOf(scope: LedgerScope) {
  return (scope as Partial<LimitScope>).onFailure ?? 'closed';
}

/** The same ledger, which its owner closes. One that leases still decides in memory. */
function withoutClose(ledger: FailurePolicyOptions['ledger']): FailurePolicyOptions['ledger'] {
  return {
    ...(ledger.reserveInMemory && {
      reserveInMemory: (id, scopes, leaseMs) => ledger.reserveInMemory?.(id, scopes, leaseMs),
    }),
    nowMs: () => ledger.nowMs(),
    reserve: (id, scopes, leaseMs) => ledger.reserve(id, scopes, leaseMs),
    renew: (id, leaseMs, charges) => ledger.renew(id, leaseMs, charges),
    settle: (id, used) => ledger.settle(id, used),
    peek: (scopes) => ledger.peek(scopes),
  };
}
