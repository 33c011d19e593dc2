import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { targetFields, targetTextSchema } from './catalog.ts';
import { timeoutsSchema } from './forwarding.ts';
import { nameSchema } from './parts.ts';

/** Headers that carry a credential, or that the gateway writes itself. */
const ownHeaders = new Set([
  ...['authorization', 'proxy-authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'cookie'],
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'expect'],
  ...['accept-encoding', 'keep-alive', 'x-headgate-key'],
]);

const headersSchema = lazily(() =>
  z.record(
    z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/, { error: 'header names are lower case' })
      .refine((name) => !ownHeaders.has(name), {
        error: 'a target cannot override this header; credentials belong to the provider',
      }),
    z
      .string()
      .max(8_192)
      .regex(/^[\t\x20-\x7e]*$/, { error: 'a header value is printable ASCII' }),
  ),
);

/** What the gateway writes, and what limits counted before a target was chosen. */
const ownMembers = new Set([
  ...['model', 'stream', 'stream_options', 'requests', 'generateContentRequest', 'n', 'best_of'],
  ...['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'generationConfig', 'generation_config'],
  ...['messages', 'input', 'prompt', 'contents', '__proto__'],
]);

const bodySchema = lazily(() =>
  z.record(
    z
      .string()
      .min(1)
      .max(128)
      .refine((name) => !ownMembers.has(name), {
        error:
          'a target cannot override this field: the gateway writes it, or limits have counted it before a target is chosen',
      }),
    z.json(),
  ),
);

const fields = lazily(() =>
  z.strictObject({
    ...targetFields(),
    /** Share relative to the other targets of its tier. 0: only when all others fail. Default: 1. */
    weight: z.number().min(0).max(1_000_000).optional(),
    /** The arm of a test or canary that it represents; noted in records. */
    arm: nameSchema().optional(),
    /** Sent besides the caller's and provider's headers, or overriding them. Shown as is: not for secrets. */
    headers: headersSchema().optional(),
    /** Root members of a JSON body, overriding the caller's; `null` removes one. */
    body: bodySchema().optional(),
    timeouts: timeoutsSchema().optional(),
    /** Who pays. Default: as the caller's profile says. `passthrough` callers never get one that somebody else pays. */
    billing: z.enum(['standard', 'byok', 'passthrough']).optional(),
  }),
);

/** A target of a route. */
export const routeTargetSchema = lazily(() =>
  z.union([targetTextSchema(), fields()], {
    error: ({ input }) => {
      const form = 'a target is "provider", "provider/model" or an object with provider';
      if (typeof input !== 'object' || input === null) return form;
      const issue = fields().safeParse(input).error?.issues[0];
      // for a record's key, the inner issue says what is wrong
      const inside = issue?.code === 'invalid_key' ? issue.issues[0]?.message : undefined;
      const path = issue && issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
      return issue && `${path}${inside ?? issue.message}`;
    },
  }),
);
