import { LRUCache } from 'lru-cache';
import type { ParsedConfig } from '../../config/schema.ts';
import type { Candidate } from '../../routing/plan.ts';
import type { Runtime } from '../../runtime.ts';
import type { Prober } from '../active-probe.ts';
import { type HealthOptions, type HealthReport, TargetHealth } from './target-health.ts';

/** Ends the ids of candidates that only copies of requests go to. */
export const mirrorMark = '~mirror';

/** What is known of all candidates. */
export interface Healths {
  /** The health of a candidate, made when it is asked for the first time. */
  of(candidate: Candidate, config: ParsedConfig): TargetHealth;
  /** The health of a candidate by its id, if it was ever asked. */
  find(id: string): TargetHealth | undefined;
  /** Asks a candidate's provider whether it is back, if its configuration says how. False if it does not. */
  probe(candidate: Candidate, health: TargetHealth): boolean;
  /** All of them, the latest first. */
  report(): HealthReport[];
  /**
   * Whether any breaker is not closed whose target callers may miss: not a mirror's, and not one that could be probed
   * and that nobody has asked since this configuration took effect.
   */
  isAnyOut(config: ParsedConfig): boolean;
  /** Forgets the candidates of all other providers. */
  retain(providers: ReadonlyMap<string, unknown>): void;
  close(): void;
}

/** How healths are kept. */
export interface HealthsOptions {
  /**
   * How many are kept; the least used go first. With patterns in the catalog, callers decide how many upstream models
   * there are.
   */
  readonly max: number;
  readonly prober: Prober;
  /** Told of breakers that open here. @default nobody */
  readonly onOpened?: ((id: string, forMs: number) => void) | undefined;
}

/** Creates one that knows no candidates yet. */
export function createHealths(runtime: Runtime, { max, prober, onOpened }: HealthsOptions): Healths {
  const healths = new LRUCache<string, TargetHealth>({
    max,
    dispose: (health) => health.breaker.shutdown(),
  });
  // copies are not callers' requests, and make no room for retries of those
  function* budgets() {
    for (const { id, budget } of healths.values()) if (!id.endsWith(mirrorMark)) yield budget;
  }
  return {
    of(candidate, config) {
      const options = healthOptionsOf(config);
      const health = healths.get(candidate.id);
      if (health && health.options === options) return health;
      const next = health ?? new TargetHealth(candidate.id, options, runtime, budgets);
      next.configure(options, candidate.target.provider.config.maxInFlight);
      if (health) return next;
      healths.set(candidate.id, next);
      if (onOpened) next.breaker.onOpened = (forMs) => onOpened(candidate.id, forMs);
      return next;
    },
    find: (id) => healths.peek(id),
    probe(candidate, health) {
      const { probe } = candidate.target.provider.config;
      if (probe) prober(candidate, probe, health);
      return probe !== undefined;
    },
    report() {
      const nowMs = runtime.monotonicMs();
      return [...healths.values()].map((health) => health.report(nowMs));
    },
    isAnyOut(config) {
      const options = healthOptionsOf(config);
      const nowMs = runtime.monotonicMs();
      for (const health of healths.values()) {
        const state = health.breaker.stateAt(nowMs);
        const isAsked = state === 'open' || health.options === options;
        if (state !== 'closed' && isAsked && !health.id.endsWith(mirrorMark)) return true;
      }
      return false;
    },
    retain(providers) {
      for (const id of healths.keys()) if (!providers.has(id.slice(0, id.indexOf('/')))) healths.delete(id);
    },
    close: () => healths.clear(),
  };
}

// one object per configuration: its identity tells whether a health uses the one in force
const compiled = new WeakMap<ParsedConfig, HealthOptions>();

function healthOptionsOf(config: ParsedConfig): HealthOptions {
  let options = compiled.get(config);
  if (!options) {
    const { breaker, retry } = config;
    const { maxCoolDownMs, unpaidMs, budget } = retry;
    options = { breaker, budget, maxCoolDownMs, unpaidMs };
    compiled.set(config, options);
  }
  return options;
}
