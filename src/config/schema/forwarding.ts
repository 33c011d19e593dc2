import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { milliseconds } from './parts.ts';

/** Every way in which an attempt can fail; see `FailureClass`. */
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
    /** From the request being sent to the status of the reply. Default: the provider's. */
    headersMs: milliseconds().optional(),
    /**
     * From a streamed request being sent to the first content of its reply; what comes before that (headers, openings,
     * pings) does not count. Default: 120000. Raise it for models that think for longer and show nothing of it.
     */
    firstTokenMs: milliseconds().optional(),
    /** Between two chunks of a reply. Default: the provider's. */
    idleMs: milliseconds().optional(),
    /** The whole request, all attempts and the reply together. Default: unbounded; the caller may bound it, too. */
    totalMs: milliseconds().optional(),
  }),
);

/** What may be said of forwarding, here for everything and by a route for its requests; what is absent is as the level above has it. */
export const forwardingSchema = lazily(() =>
  z.strictObject({
    /** What follows each failure, in place of the default. */
    onFailure: z.partialRecord(failureClassSchema(), failureActionSchema()).optional(),
    timeouts: timeoutsSchema().optional(),
    /**
     * When a reply goes out: at its first content, or when it is whole, so that a stream that breaks is tried again
     * unseen; whoever waits for a stream is kept waiting with comments. Default: `content`.
     */
    commit: z.enum(['content', 'complete']).optional(),
    /**
     * What is tried, in this order, when a stream breaks after content went out: `continue` at a target that `continues`,
     * `restart` at any; else the stream ends with an error. Default: `[continue]`.
     */
    rescue: z
      .array(z.enum(['continue', 'restart']))
      .max(2)
      .readonly()
      .optional(),
    /**
     * A second attempt at the next candidate begins when the first has shown no content for so long; the faster one wins.
     * Default: never.
     */
    hedgeAfterMs: milliseconds().optional(),
    /** What a chunk of a stream that cannot be what the protocol sends does to it. Default: `fail`. */
    onMalformedChunk: z.enum(['fail', 'skip']).optional(),
  }),
);
