import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { GatewayError } from '../errors.ts';
import type { Principal } from '../principal.ts';
import type { Runtime } from '../runtime.ts';
import { repeatRefusal } from './refusal.ts';

/** The remembered result of verifying a token. Throws what it was refused with. */
export type Finding = () => Principal;

interface Entry {
  readonly finding: Finding;
  readonly untilMs: number;
}

/** Bounds on what is remembered. */
export interface TokenCacheOptions {
  readonly cacheMax: number;
  readonly cacheMs: number;
  readonly refusedMax: number;
  readonly refusedMs: number;
}

/** Verified and refused tokens by the SHA-256 of the whole token: a common prefix shares nothing. */
export interface TokenCache {
  /** What is known of a token, of either kind. */
  find(digest: string): Finding | undefined;
  /** `epoch` is from before verification; results from keys of an earlier epoch are not kept. */
  keep(digest: string, finding: Finding, epoch: number): void;
  /** As `keep`, for the refusal. */
  keepRefused(digest: string, refusal: GatewayError, epoch: number): void;
  /** Counts changes of the keys. */
  readonly epoch: number;
  /** Forgets everything: the provider's keys have changed. */
  clear(): void;
}

/** Two bounded caches, on the monotonic clock. */
export function createTokenCache(runtime: Runtime, options: TokenCacheOptions): TokenCache {
  const known = new LRUCache<string, Entry>({ max: options.cacheMax });
  // separate, so that a flood of bad tokens evicts only bad tokens
  const refused = new LRUCache<string, Entry>({ max: options.refusedMax });
  let epoch = 0;
  const keepIn = (cache: LRUCache<string, Entry>, digest: string, finding: Finding, ttlMs: number): void => {
    cache.set(digest, { finding, untilMs: runtime.monotonicMs() + ttlMs });
  };

  return {
    find(digest) {
      const entry = known.get(digest) ?? refused.get(digest);
      return entry && runtime.monotonicMs() < entry.untilMs ? entry.finding : undefined;
    },
    keep(digest, finding, since) {
      if (since !== epoch) return;
      refused.delete(digest);
      keepIn(known, digest, finding, options.cacheMs);
    },
    keepRefused(digest, refusal, since) {
      if (since !== epoch) return;
      known.delete(digest);
      const finding = (): never => {
        throw repeatRefusal(refusal);
      };
      keepIn(refused, digest, finding, options.refusedMs);
    },
    get epoch() {
      return epoch;
    },
    clear() {
      epoch++;
      known.clear();
      refused.clear();
    },
  };
}

/** What a token is remembered by. */
export function digestToken(token: string): string {
  return hash('sha256', token, 'base64');
}
