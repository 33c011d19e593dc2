import { LRUCache } from 'lru-cache';
import CircuitBreaker from 'opossum';
import { GatewayError } from '../errors.ts';
import { AttemptFailure } from './failure.ts';

/** When a breaker opens, and for how long. */
export interface BreakerOptions {
  readonly errorThresholdPercentage: number;
  readonly volumeThreshold: number;
  readonly resetTimeoutMs: number;
}

/** One circuit breaker for each target and credential. */
export interface Breakers {
  /**
   * Runs an attempt, or refuses at once while the breaker is open.
   *
   * @throws AttemptFailure with code `no_target_available` when it is open; else whatever the attempt threw.
   */
  run<Result>(id: string, options: BreakerOptions, attempt: () => Promise<Result>): Promise<Result>;
  /** State by target, for health pages and `explain`. */
  stateOf(id: string): 'closed' | 'open' | 'half-open';
  close(): void;
}

type Attempt = () => Promise<unknown>;

/**
 * @param max how many breakers are kept; the least used go first, since with patterns in the catalog the callers
 *   decide how many upstream models there are. @default 1_000
 */
export function createBreakers(max = 1_000): Breakers {
  const breakers = new LRUCache<string, CircuitBreaker<[Attempt], unknown>>({
    max,
    dispose: (breaker) => breaker.shutdown(),
  });

  function breakerFor(id: string, options: BreakerOptions) {
    let breaker = breakers.get(id);
    if (!breaker) {
      breaker = new CircuitBreaker((attempt: Attempt) => attempt(), {
        // attempts have their own timeouts, and a cancelled one must not count
        timeout: false,
        errorThresholdPercentage: options.errorThresholdPercentage,
        volumeThreshold: options.volumeThreshold,
        resetTimeout: options.resetTimeoutMs,
        errorFilter: (error: unknown) => !(error instanceof AttemptFailure && error.unhealthy),
        enableSnapshots: false,
        rollingPercentilesEnabled: false,
      });
      breakers.set(id, breaker);
    }
    return breaker;
  }

  return {
    async run<Result>(id: string, options: BreakerOptions, attempt: () => Promise<Result>): Promise<Result> {
      try {
        return (await breakerFor(id, options).fire(attempt)) as Result;
      } catch (error) {
        if ((error as { code?: unknown } | undefined)?.code !== 'EOPENBREAKER') throw error;
        throw new AttemptFailure(
          new GatewayError(
            'no_target_available',
            'Every provider of this model is failing at the moment. Try again shortly.',
            {
              retryAfterSeconds: Math.ceil(options.resetTimeoutMs / 1_000),
            },
          ),
          'breaker open',
          { retry: 'elsewhere', unhealthy: false },
        );
      }
    },
    stateOf(id) {
      const breaker = breakers.peek(id);
      if (!breaker || breaker.closed) return 'closed';
      return breaker.halfOpen ? 'half-open' : 'open';
    },
    close: () => breakers.clear(),
  };
}
