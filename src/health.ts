import type { Admission } from './admission/admission.ts';
import type { ConfigIssue } from './config/config-error.ts';
import type { Snapshot } from './config/snapshot.ts';
import type { LimitsHealth } from './limits/gateway-ledger.ts';
import type { GatewayReply } from './message.ts';
import { toReply } from './reply.ts';
import type { Router } from './routing/router.ts';
import type { Running } from './running.ts';
import type { Runtime } from './runtime.ts';
import type { MirrorReport, Mirrors } from './stages/mirror.ts';
import type { ConfigVersionInfo } from './stores/config-store.ts';
import type { Healths } from './upstream/health/healths.ts';
import type { HealthReport } from './upstream/health/target-health.ts';

/** The state of a gateway. */
export interface GatewayHealth {
  readonly status: 'serving' | 'not_serving';
  /** What is degraded while it serves; see `Degradation`. Empty when all is well. */
  readonly degraded: readonly Degradation[];
  /** The configuration in force, and for how long it has been. */
  readonly config: {
    /** As records and explanations name it. */
    readonly snapshot: string;
    /** Its version in the store that it comes from. */
    readonly version?: ConfigVersionInfo;
    readonly ageMs: number;
    /** Its warnings, as `headgate check` reports them. */
    readonly warnings: readonly ConfigIssue[];
  };
  readonly requests: {
    /** Requests under way, including those that wait. */
    readonly inFlight: number;
    /** Requests waiting for a place. */
    readonly queued: number;
  };
  readonly limits: LimitsHealth;
  /** The state of the candidates (provider, model and credential) asked so far, the latest first. */
  readonly targets: readonly HealthReport[];
  /** Routes whose `when` function has failed, and how often. */
  readonly failedFunctions: Readonly<Record<string, number>>;
  /** The copies made for routes, by route name. */
  readonly mirrors: Readonly<Record<string, MirrorReport>>;
}

/**
 * What is degraded. `limits`: they are decided without their ledger. `targets`: the breaker of at least one is not
 * closed (mirrors aside). `routes`: a function of at least one has failed under the configuration in force.
 */
export type Degradation = 'limits' | 'targets' | 'routes';

/** What a gateway's health is derived from. */
export interface HealthParts {
  readonly runtime: Runtime;
  readonly running: Running;
  readonly admission: Admission;
  readonly limits: () => LimitsHealth;
  readonly isLimitsDegraded: () => boolean;
  readonly healths: Healths;
  readonly router: Router;
  readonly mirrors: Mirrors;
  readonly snapshot: () => Snapshot;
  readonly isClosing: () => boolean;
}

/** Reports the state of a gateway. */
export interface HealthTeller {
  report(): GatewayHealth;
  /** The same in short: little work, for callers that ask all the time. */
  brief(): Pick<GatewayHealth, 'status' | 'degraded'>;
  /** Another configuration is in force. */
  noteUpdate(): void;
}

/** Reports from the gateway's parts, asking none of them anything that takes time. */
export function createHealthTeller(parts: HealthParts): HealthTeller {
  const { runtime, running, admission, healths, router, mirrors } = parts;
  let sinceMs = runtime.monotonicMs();
  let failedBefore = 0;

  function failures(): number {
    let sum = 0;
    for (const count of router.errors.values()) sum += count;
    return sum;
  }

  function brief(): Pick<GatewayHealth, 'status' | 'degraded'> {
    const degraded: Degradation[] = [];
    if (parts.isLimitsDegraded()) degraded.push('limits');
    if (healths.isAnyOut(parts.snapshot().config)) degraded.push('targets');
    if (failures() > failedBefore) degraded.push('routes');
    return { status: parts.isClosing() ? 'not_serving' : 'serving', degraded };
  }

  return {
    brief,
    noteUpdate() {
      sinceMs = runtime.monotonicMs();
      failedBefore = failures();
    },
    report() {
      const { id, version, warnings } = parts.snapshot();
      return {
        ...brief(),
        config: {
          snapshot: id,
          ...(version && { version }),
          ageMs: runtime.monotonicMs() - sinceMs,
          warnings,
        },
        requests: { inFlight: running.count, queued: admission.queued },
        limits: parts.limits(),
        targets: healths.report(),
        failedFunctions: Object.fromEntries(router.errors),
        mirrors: mirrors.report(),
      };
    },
  };
}

/** The answer to `GET /`, with or without a key: 200 while the gateway serves, else 503. */
export function toHealthReply(
  id: string,
  { status, degraded }: Pick<GatewayHealth, 'status' | 'degraded'>,
): GatewayReply {
  const body = JSON.stringify({ status, ...(degraded.length > 0 && { degraded }) });
  const headers = { 'content-type': 'application/json', 'x-request-id': id };
  return toReply(status === 'serving' ? 200 : 503, headers, body);
}
