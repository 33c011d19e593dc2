import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { bytes, milliseconds, positiveInteger } from './parts.ts';

/** `relay`: bounds and handling of bodies in transit. */
export const relaySchema = lazily(() =>
  z.strictObject({
    /** Largest request body. */
    maxBodyBytes: bytes().default(33_554_432),
    /** Nesting allowed in a JSON request. */
    maxDepth: z.int().min(8).max(1_000).default(64),
    /** A JSON reply up to this size is held until whole, so that a broken one can become an error or go elsewhere. */
    heldReplyBytes: bytes().default(1_048_576),
    /** Largest JSON reply. */
    maxReplyBytes: bytes().default(67_108_864),
    /** Largest event of a stream. */
    maxEventBytes: bytes().default(16_777_216),
    /** How much of a stream is held before its first content; beyond that, it goes out as it comes. */
    heldStreamBytes: bytes().default(1_048_576),
    /** With `commit: 'complete'`, how often a waiting caller gets a comment. */
    keepAliveMs: milliseconds().default(10_000),
    /** A broken stream is rescued if at most this much of it went out. */
    rescueBytes: bytes().default(4_194_304),
    /** What to do with the upstream stream when the caller disconnects: end it, or read on for the usage. */
    onDisconnect: z.enum(['abort', 'drain']).default('abort'),
    /** How running requests end when their key expires or is revoked or removed: by themselves, or with an error. */
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

/** `retry`: how often and how soon requests are retried. */
export const retrySchema = lazily(() =>
  z.strictObject({
    /** Attempts for one request, over all targets. */
    maxAttempts: z.int().min(1).max(20).default(4),
    minBackoffMs: milliseconds().default(250),
    /** Also how long a request waits for a target's probe when no other target may be asked. */
    maxBackoffMs: milliseconds().default(5_000),
    /** No new attempt begins after this long. */
    deadlineMs: milliseconds().default(120_000),
    /** A target is never left alone for longer than this, whatever its `retry-after` says. */
    maxCoolDownMs: milliseconds().default(300_000),
    /** How long a credential comes last after it was refused or its account had no quota left. */
    unpaidMs: milliseconds().default(60_000),
    /**
     * How many further attempts all targets together take in a window: a share of the first ones, and some in any case;
     * each target takes the same of those that return to it. A target that is not failing takes any number of requests
     * that failed elsewhere.
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

/** `breaker`: when a target is left out. */
export const breakerSchema = lazily(() =>
  z.strictObject({
    /** Share of failed attempts that opens it, in percent. */
    errorThresholdPercentage: z.number().min(1).max(100).default(50),
    /** Attempts in the rolling window before it may open. */
    volumeThreshold: positiveInteger().default(10),
    /**
     * How long it stays open before one probe, less up to a fifth; each further time in a row, this much longer. For
     * each such time that it stays closed, one is forgotten.
     */
    resetTimeoutMs: milliseconds().default(30_000),
    /** It never stays open for longer than this. */
    maxEjectionMs: milliseconds().default(300_000),
    /**
     * A target whose first content takes more than this many times as long as that of the plan's fastest other target
     * is left out as if its breaker had opened. Default: never.
     */
    slowFactor: z.number().min(1.5).max(1_000).optional(),
  }),
);

/** `stored`: who may reach what providers store. */
export const storedSchema = lazily(() =>
  z.strictObject({
    /**
     * Who may reach a response or batch that a provider stored for a request: callers with the same key, the same user
     * (of the team), the same project, or of the same team; or `anyone` with a key of the gateway.
     */
    visibleTo: z.enum(['key', 'user', 'project', 'team', 'anyone']).default('team'),
    /** For those of unknown owner. `refuse` needs `storedOwners` that outlive a process and that all nodes share. */
    unknown: z.enum(['allow', 'refuse']).default('allow'),
  }),
);

/** `idempotency`: replies kept for repeated requests. */
export const idempotencySchema = lazily(() =>
  z.strictObject({
    /** Replies kept for `idempotency-key`. 0 turns it off. */
    maxEntries: z.int().nonnegative().default(1_000),
    /** Largest reply kept. */
    maxReplyBytes: bytes().default(262_144),
    ttlMs: milliseconds().default(86_400_000),
  }),
);

/** How many requests are admitted at once, and when no more are. */
export const admissionSchema = lazily(() =>
  z.strictObject({
    /** Requests running at once. */
    maxInFlight: positiveInteger().max(1_000_000).default(20_000),
    /** Requests waiting for a place; interactive ones go before `batch` ones. */
    maxQueued: z.int().nonnegative().max(1_000_000).default(1_000),
    maxQueueMs: milliseconds().default(5_000),
    /** Above this median event loop delay, new requests are turned away; `batch` requests at half of it. */
    maxLoopDelayMs: milliseconds().default(1_000),
    /** Above this share of the heap limit, new requests are turned away; `batch` requests at 0.05 less. */
    maxHeapShare: z.number().min(0.1).max(1).default(0.95),
  }),
);
