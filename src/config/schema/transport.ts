import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { bytes, milliseconds, positiveInteger } from './parts.ts';

/** `relay`: bounds and habits of bodies on their way. */
export const relaySchema = lazily(() =>
  z.strictObject({
    /** Largest request body. */
    maxBodyBytes: bytes().default(33_554_432),
    /** Nesting allowed in a JSON request. */
    maxDepth: z.int().min(8).max(1_000).default(64),
    /** A JSON reply up to this size is held until it is whole, so that a broken one can still become an error or go elsewhere. */
    heldReplyBytes: bytes().default(1_048_576),
    /** Largest JSON reply. */
    maxReplyBytes: bytes().default(67_108_864),
    /** Largest event of a stream. */
    maxEventBytes: bytes().default(16_777_216),
    /** What is held of a stream while it has shown no content; one that is longer goes out as it comes. */
    heldStreamBytes: bytes().default(1_048_576),
    /** With `commit: 'complete'`, a caller hears a comment when it has waited for so long. */
    keepAliveMs: milliseconds().default(10_000),
    /** A stream that breaks is gone on with up to so much of it that went out. */
    rescueBytes: bytes().default(4_194_304),
    /** What becomes of the upstream stream when the caller goes away: end it, or read on for the usage. */
    onDisconnect: z.enum(['abort', 'drain']).default('abort'),
    /** What becomes of running requests of a key that is revoked, taken away or expires: they end by themselves, or with an error. */
    onRevoke: z.enum(['finish', 'end']).default('finish'),
    /** Bounds of `drain`. */
    drain: z
      .strictObject({
        maxConcurrent: z.int().nonnegative().default(16),
        maxMs: milliseconds().default(30_000),
        maxBytes: bytes().default(4_194_304),
      })
      .prefault({}),
  }),
);

/** `retry`: how often and how soon something is asked again. */
export const retrySchema = lazily(() =>
  z.strictObject({
    /** Attempts for one request over all targets. */
    maxAttempts: z.int().min(1).max(20).default(4),
    minBackoffMs: milliseconds().default(250),
    /** So long a request waits for the probe of a target, too, where no other may be asked. */
    maxBackoffMs: milliseconds().default(5_000),
    /** No new attempt begins after this long. */
    deadlineMs: milliseconds().default(120_000),
    /** A target is never left alone for longer than this, whatever its `retry-after` says. */
    maxCoolDownMs: milliseconds().default(300_000),
    /** For so long a credential comes last that was refused, or whose account has no quota left. */
    unpaidMs: milliseconds().default(60_000),
    /**
     * What further attempts all targets together take in a window: a share of the first ones, and some in any case; each
     * takes the same of those that come back to it. A target that fails nobody takes any number of requests that failed
     * elsewhere.
     */
    budget: z
      .strictObject({
        ratio: z.number().min(0).max(10).default(0.2),
        floor: z.int().nonnegative().max(1_000_000).default(3),
        windowMs: milliseconds().default(60_000),
      })
      .prefault({}),
  }),
);

/** `breaker`: when a target is left alone. */
export const breakerSchema = lazily(() =>
  z.strictObject({
    /** Share of failed attempts that opens it, in percent. */
    errorThresholdPercentage: z.number().min(1).max(100).default(50),
    /** Attempts in the rolling window before it may open. */
    volumeThreshold: positiveInteger().default(10),
    /**
     * How long it stays open before one probe, up to a fifth less; each further time in a row so much longer. For each such time
     * that it stays closed, one is forgotten.
     */
    resetTimeoutMs: milliseconds().default(30_000),
    /** It never stays open for longer than this. */
    maxEjectionMs: milliseconds().default(300_000),
    /**
     * A target whose first content takes so many times as long as that of the fastest other one of the plan is left out as
     * if its breaker had opened. Default: never.
     */
    slowFactor: z.number().min(1.5).max(1_000).optional(),
  }),
);

/** `stored`: who may reach what providers store. */
export const storedSchema = lazily(() =>
  z.strictObject({
    /**
     * Who reaches a response or batch that a provider stored for a request: whoever came with the same key, the same user (of
     * the team), anybody with the same project, anybody of the team; or `anyone` with a key of the gateway.
     */
    visibleTo: z.enum(['key', 'user', 'project', 'team', 'anyone']).default('team'),
    /** What becomes of one of which it is not known whose it is. `refuse` needs `storedOwners` that outlive a process and that all nodes share. */
    unknown: z.enum(['allow', 'refuse']).default('allow'),
  }),
);

/** `idempotency`: replies kept for repeated requests. */
export const idempotencySchema = lazily(() =>
  z.strictObject({
    /** Replies kept for `idempotency-key`. 0 switches it off. */
    maxEntries: z.int().nonnegative().default(1_000),
    /** Largest reply kept. */
    maxReplyBytes: bytes().default(262_144),
    ttlMs: milliseconds().default(86_400_000),
  }),
);

/** How many requests are let in at once, and when none is any more. */
export const admissionSchema = lazily(() =>
  z.strictObject({
    /** Requests that run at once. */
    maxInFlight: positiveInteger().max(1_000_000).default(20_000),
    /** Requests that wait for a place; interactive ones go before those that say `batch`. */
    maxQueued: z.int().nonnegative().max(1_000_000).default(1_000),
    maxQueueMs: milliseconds().default(5_000),
    /** When the event loop mostly is so late, new requests are sent away; those that say `batch` at half of it. */
    maxLoopDelayMs: milliseconds().default(1_000),
    /** When so much of the heap's limit is used, new requests are sent away; those that say `batch` a twentieth earlier. */
    maxHeapShare: z.number().min(0.1).max(1).default(0.95),
  }),
);
