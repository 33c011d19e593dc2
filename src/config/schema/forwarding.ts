import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { milliseconds } from './parts.ts';

/** Every way an attempt can fail; see `FailureClass`. */
export const failureClassSchema = lazily(() =>
  z.enum(
    [
      'not-sent',
      'refused',
      'overloaded',
      'server-error',
      'uncertain',
      'timeout',
      'broken-stream',
      'invalid-reply',
      'credential',
      'quota',
      'context-too-long',
      'content-refused',
      'bad-request',
    ],
    {
      error:
        'a failure is not-sent, refused, overloaded, server-error, uncertain, timeout, broken-stream, invalid-reply, credential, quota, context-too-long, content-refused or bad-request',
    },
  ),
);

/** What follows a failure; see `FailureAction`. */
export const failureActionSchema = lazily(() =>
  z.enum(['retry', 'next-credential', 'next-target', 'stop'], {
    error: 'what follows a failure is retry, next-credential, next-target or stop',
  }),
);

/** How long things may take. */
export const timeoutsSchema = lazily(() =>
  z.strictObject({
    /** Default: the provider's. */
    connectMs: milliseconds().optional(),
    /** From sending the request to the status of the reply. Default: the provider's. */
    headersMs: milliseconds().optional(),
    /**
     * From sending a streamed request to the first content of its reply; what precedes that (headers, openings, pings)
     * does not count. Default: 120000. Raise it for models that think for longer without showing it.
     */
    firstTokenMs: milliseconds().optional(),
    /** Between two chunks of a reply. Default: the provider's. */
    idleMs: milliseconds().optional(),
    /** The whole request: all attempts and the reply. Default: unbounded; the caller may bound it, too. */
    totalMs: milliseconds().optional(),
  }),
);

/** Forwarding settings, for everything or for one route's requests; absent fields inherit from the level above. */
export const forwardingSchema = lazily(() =>
  z.strictObject({
    /** What follows each failure, instead of the default. */
    onFailure: z.partialRecord(failureClassSchema(), failureActionSchema()).optional(),
    timeouts: timeoutsSchema().optional(),
    /**
     * When a reply goes out: at its first content, or when it is complete, so that a broken stream is retried unseen;
     * comments keep callers of a stream waiting. Default: `content`.
     */
    commit: z.enum(['content', 'complete']).optional(),
    /**
     * What is tried, in this order, when a stream breaks after content went out: `continue` at a target that
     * `continues`, `restart` at any; otherwise the stream ends with an error. Default: `[continue]`.
     */
    rescue: z
      .array(z.enum(['continue', 'restart']))
      .max(2)
      .readonly()
      .optional(),
    /**
     * If the first attempt has shown no content after this long, a second begins at the next candidate; the faster one
     * wins. Default: never.
     */
    hedgeAfterMs: milliseconds().optional(),
    /** What happens to a stream when a chunk violates the protocol. Default: `fail`. */
    onMalformedChunk: z.enum(['fail', 'skip']).optional(),
  }),
);
