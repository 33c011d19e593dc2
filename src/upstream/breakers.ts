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
   * @throws whatever the attempt threw; when the breaker is open, an error that `toOpenFailure` recognises.
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
    run<Result>(id: string, options: BreakerOptions, attempt: () => Promise<Result>) {
      const breaker = breakerFor(id, options);
      if (!breaker.closed) return breaker.fire(attempt) as Promise<Result>;
      // A closed breaker has only to count. Counting goes by its events; calling through it makes several promises for
      // each request, as much work as all the deciding stages together.
      return attempt().then(
        (result) => {
          // what began before it opened says nothing about the probe that may close it
          if (breaker.closed) {
            breaker.emit('fire');
            breaker.emit('success');
          }
          return result;
        },
        (error: unknown) => {
          if (breaker.closed) breaker.fire(() => Promise.reject(error)).catch(() => undefined);
          throw error;
        },
      );
    },
    stateOf(id) {
      const breaker = breakers.peek(id);
      if (!breaker || breaker.closed) return 'closed';
      return breaker.halfOpen ? 'half-open' : 'open';
    },
    close: () => breakers.clear(),
  };
}

/** The failure that an open breaker stands for; undefined for any other error. */
export function toOpenFailure(
  error: unknown,
  { resetTimeoutMs }: BreakerOptions,
): AttemptFailure | undefined {
  if ((error as { code?: unknown } | undefined)?.code !== 'EOPENBREAKER') return undefined;
  return new AttemptFailure(
    new GatewayError(
      'no_target_available',
      'Every provider of this model is failing at the moment. Try again shortly.',
      { retryAfterSeconds: Math.ceil(resetTimeoutMs / 1_000) },
    ),
    'breaker open',
    { retry: 'elsewhere', unhealthy: false },
  );
}
