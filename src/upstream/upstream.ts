import { LRUCache } from 'lru-cache';
import { createObservations, type Observations } from '../routing/observations.ts';
import type { Runtime } from '../runtime.ts';
import { type Breakers, createBreakers } from './breakers.ts';
import { createDrainer, type Drainer } from './drain.ts';
import type { Egress } from './egress.ts';

/** What all requests of one gateway share on the way to the providers. */
export interface Upstream {
  readonly egress: Egress;
  readonly breakers: Breakers;
  readonly drainer: Drainer;
  /** What attempts have seen of the candidates; strategies of routes go by it. */
  readonly observations: Observations;
  /** Leaves a target alone for as long as it asked. */
  coolDown(id: string, forMs: number): void;
  /** Whether any target has asked to be left alone lately. */
  readonly isCooling: boolean;
  /** How long a target must still be left alone; 0 when it may be asked. */
  coolMs(id: string): number;
  close(): Promise<void>;
}

/**
 * @param options.maxTargets how many targets' breakers and cool-downs are remembered. @default 1_000
 */
export function createUpstream(
  egress: Egress,
  runtime: Runtime,
  options: { readonly maxTargets?: number } = {},
): Upstream {
  const max = options.maxTargets ?? 1_000;
  const breakers = createBreakers(max);
  const coolUntilMs = new LRUCache<string, number>({ max });
  return {
    egress,
    breakers,
    drainer: createDrainer(runtime),
    observations: createObservations(runtime, { maxCandidates: max }),
    coolDown: (id, forMs) => void coolUntilMs.set(id, runtime.monotonicMs() + forMs),
    get isCooling() {
      return coolUntilMs.size > 0;
    },
    coolMs: (id) =>
      coolUntilMs.size === 0 ? 0 : Math.max(0, (coolUntilMs.get(id) ?? 0) - runtime.monotonicMs()),
    async close() {
      breakers.close();
      await egress.close();
    },
  };
}
