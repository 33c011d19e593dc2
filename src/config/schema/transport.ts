import * as z from 'zod';
import { bytes, milliseconds, positiveInteger } from './parts.ts';

export const relaySchema = z.strictObject({
  /** Largest request body. */
  maxBodyBytes: bytes.default(33_554_432),
  /** Nesting allowed in a JSON request. */
  maxDepth: z.int().min(8).max(1_000).default(64),
  /** A JSON reply up to this size is held until it is whole, so that a broken one can still become an error or go elsewhere. */
  heldReplyBytes: bytes.default(1_048_576),
  /** Largest JSON reply. */
  maxReplyBytes: bytes.default(67_108_864),
  /** Largest event of a stream. */
  maxEventBytes: bytes.default(1_048_576),
  /** What becomes of the upstream stream when the caller goes away: end it, or read on for the usage. */
  onDisconnect: z.enum(['abort', 'drain']).default('abort'),
  /** Bounds of `drain`. */
  drain: z
    .strictObject({
      maxConcurrent: z.int().nonnegative().default(16),
      maxMs: milliseconds.default(30_000),
      maxBytes: bytes.default(4_194_304),
    })
    .prefault({}),
});

export const retrySchema = z.strictObject({
  /** Attempts for one request over all targets. */
  maxAttempts: z.int().min(1).max(20).default(4),
  minBackoffMs: milliseconds.default(250),
  maxBackoffMs: milliseconds.default(5_000),
  /** No new attempt begins after this long. */
  deadlineMs: milliseconds.default(120_000),
});

export const breakerSchema = z.strictObject({
  /** Share of failed attempts that opens it, in percent. */
  errorThresholdPercentage: z.number().min(1).max(100).default(50),
  /** Attempts in the rolling window before it may open. */
  volumeThreshold: positiveInteger.default(10),
  /** How long it stays open before one probe. */
  resetTimeoutMs: milliseconds.default(30_000),
});

export const idempotencySchema = z.strictObject({
  /** Replies kept for `idempotency-key`. 0 switches it off. */
  maxEntries: z.int().nonnegative().default(1_000),
  /** Largest reply kept. */
  maxReplyBytes: bytes.default(262_144),
  ttlMs: milliseconds.default(86_400_000),
});
