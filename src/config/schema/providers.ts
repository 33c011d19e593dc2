import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { regionSchema } from './catalog.ts';
import { milliseconds, nameSchema, positiveInteger, upstreamLimitsSchema } from './parts.ts';

const secretForms = {
  error: 'a secret is its text, { env: "NAME" }, { file: "path" }, { store: "id" } or a function',
};

/** A secret: the text itself, or where to find it. A function is called again from time to time. */
export const secretSchema = lazily(() =>
  z.union(
    [
      // a variable in shell syntax is not a secret
      z.string().regex(/^(?!\s*\$\{?[A-Z])./s, secretForms),
      /** A variable of the environment. */
      z.strictObject({ env: z.string().min(1) }),
      /** A file, watched. */
      z.strictObject({ file: z.string().min(1) }),
      /** A sealed secret of the secret store, by its id. */
      z.strictObject({ store: z.string().min(1).max(200) }),
      z.custom<() => string | Promise<string>>((value) => typeof value === 'function'),
    ],
    secretForms,
  ),
);

const headers = lazily(() =>
  z.record(z.string().regex(/^[a-z0-9-]{1,64}$/, { error: 'header names are lower case' }), z.string()),
);

const credential = lazily(() =>
  z.strictObject({
    id: nameSchema(),
    apiKey: secretSchema(),
    /**
     * Share of the provider's requests, relative to its other credentials. If none has a weight, they are used in
     * order; if one has, the others have 1.
     */
    weight: z.number().positive().max(1_000).optional(),
    /** Where requests with it are handled. Default: the region of the provider. */
    region: regionSchema().optional(),
    /** What operators call it and use it for. */
    labels: z.record(z.string().max(64), z.string().max(256)).default({}),
    /** On what is sent with this credential. */
    limits: upstreamLimitsSchema(),
  }),
);

/**
 * What the gateway itself asks a provider while its breaker is open, instead of risking a caller's request: at most
 * once each time it may be probed, and only while somebody wants it. Anything but a 5xx means that it is back.
 */
const probe = lazily(() =>
  z.strictObject({
    /** Appended to the path of `baseUrl`. */
    path: z.string().regex(/^\/[\x21-\x7e]*$/, { error: 'must begin with "/"' }),
    /** JSON to send by POST. Default: a GET. */
    body: z.record(z.string(), z.unknown()).optional(),
    /** For the whole probe. */
    timeoutMs: milliseconds().default(5_000),
  }),
);

/** How a provider is reached. */
export const providerSchema = lazily(() =>
  z
    .strictObject({
      /** The provider implementation: `openai` (and everything compatible), `anthropic`, `gemini`, or your own. */
      type: nameSchema(),
      /** Its address. Default: the provider's public one. OpenAI-compatible: including `/v1`. */
      baseUrl: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }).optional(),
      /** Where it handles requests; `regions` of routes and profiles refer to it. Default: unknown, in no region. */
      region: regionSchema().optional(),
      apiKey: secretSchema().optional(),
      /** Several credentials instead of one, used in this order or by weight. */
      credentials: z.array(credential()).min(1).optional(),
      /** On what is sent with all its credentials together. */
      limits: upstreamLimitsSchema(),
      /** Sent with every request; they override the caller's. */
      headers: headers().default({}),
      /** The caller's request headers to pass on besides the built-in list. */
      forwardHeaders: z.array(z.string().toLowerCase()).default([]),
      /** The provider's reply headers to pass on besides the built-in list. */
      relayHeaders: z.array(z.string().toLowerCase()).default([]),
      /** Asks OpenAI-shaped streams for usage if the caller did not. Turn off if a server refuses `stream_options`. */
      streamUsage: z.boolean().default(true),
      /** Sockets per credential. */
      maxConnections: positiveInteger().max(100_000).default(16_384),
      /** Concurrent requests, for each model and credential. Default: as many as its 429s allow. */
      maxInFlight: positiveInteger().max(100_000).optional(),
      /** Requests waiting for a place, or for the probe of a target that was down; for each model and credential. */
      maxQueued: z.int().nonnegative().max(100_000).default(100),
      connectTimeoutMs: milliseconds().default(3_000),
      /** From sending the request to the reply's first byte. */
      headersTimeoutMs: milliseconds().default(300_000),
      /** Between two chunks of a reply. */
      idleTimeoutMs: milliseconds().default(120_000),
      /** How to find out whether it is back. Default: by the next request. */
      probe: probe().optional(),
    })
    .refine((value) => !(value.apiKey && value.credentials), {
      error: 'give apiKey or credentials, not both',
    }),
);
