import { LRUCache } from 'lru-cache';
import type { ParsedConfig } from '../../config/schema.ts';
import type { Candidate } from '../../routing/plan.ts';
import type { Runtime } from '../../runtime.ts';
import { type HealthOptions, type HealthReport, TargetHealth } from './target-health.ts';

/** What is known of all candidates. */
export interface Healths {
  /** The health of a candidate, made when it is asked for the first time. */
  of(candidate: Candidate, config: ParsedConfig): TargetHealth;
  /** The health of a candidate by its id, if it was ever asked. */
  find(id: string): TargetHealth | undefined;
  /** All of them, the latest first. */
  report(): HealthReport[];
  /** Whether the breaker of any is not closed. */
  isAnyOut(): boolean;
  close(): void;
}

/**
 * @param max how many are kept; the least used go first, since with patterns in the catalog the callers decide how many
 *   upstream models there are. @default 1_000
 */
export function createHealths(runtime: Runtime, max = 1_000): Healths {
  const healths = new LRUCache<string, TargetHealth>({
    max,
    dispose: (health) => health.breaker.shutdown(),
  });
  function* budgets() {
    for (const health of healths.values()) yield health.budget;
  }
  return {
    of(candidate, config) {
      const options = healthOptionsOf(config);
      const health = healths.get(candidate.id);
      if (health && health.options === options) return health;
      const next = health ?? new TargetHealth(candidate.id, options, runtime, budgets);
      next.configure(options, candidate.target.provider.config.maxInFlight);
      if (!health) healths.set(candidate.id, next);
      return next;
    },
    find: (id) => healths.peek(id),
    report() {
      const nowMs = runtime.monotonicMs();
      return [...healths.values()].map((health) => health.report(nowMs));
    },
    isAnyOut() {
      for (const { breaker } of healths.values()) if (!breaker.isClosed) return true;
      return false;
    },
    close: () => healths.clear(),
  };
}

// one object for each configuration: an identity that says whether a health goes by the one in force
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
