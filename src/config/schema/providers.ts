import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { regionSchema } from './catalog.ts';
import { milliseconds, nameSchema, positiveInteger, upstreamLimitsSchema } from './parts.ts';

const secretForms = {
  error: 'a secret is its text, { env: "NAME" }, { file: "path" }, { store: "id" } or a function',
};

/** A secret: the text itself, or where to find it. What a function gives is fetched again every now and then. */
export const secretSchema = lazily(() =>
  z.union(
    [
      // the name of a variable, as shells write it, is no secret
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
     * Share of the provider's requests against its other credentials. Where none has a weight, they are used in their
     * order; where one has, the others have 1.
     */
    weight: z.number().positive().max(1_000).optional(),
    /** Where what is sent with it is handled. Default: the region of the provider. */
    region: regionSchema().optional(),
    /** What operators call it, and what it is for. */
    labels: z.record(z.string().max(64), z.string().max(256)).default({}),
    /** What is sent with this credential. */
    limits: upstreamLimitsSchema(),
  }),
);

/**
 * What the gateway asks a provider itself while its breaker is open, in place of risking a request of a caller's: at most
 * once for each time that it may be probed, and only while somebody wants it. Anything but a 5xx says that it is back.
 */
const probe = lazily(() =>
  z.strictObject({
    /** Behind the path of `baseUrl`. */
    path: z.string().regex(/^\/[\x21-\x7e]*$/, { error: 'must begin with "/"' }),
    /** JSON to send by POST. Default: a GET. */
    body: z.record(z.string(), z.unknown()).optional(),
    /** The whole of it. */
    timeoutMs: milliseconds().default(5_000),
  }),
);

/** How a provider is reached. */
export const providerSchema = lazily(() =>
  z
    .strictObject({
      /** Which provider implementation speaks to it: `openai` (and everything compatible), `anthropic`, `gemini`, or one of your own. */
      type: nameSchema(),
      /** Where it lives. Default: the provider's public address. OpenAI-compatible: including `/v1`. */
      baseUrl: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }).optional(),
      /** Where it handles what it is sent; what `regions` of routes and profiles go by. Default: unknown, in no region. */
      region: regionSchema().optional(),
      apiKey: secretSchema().optional(),
      /** Several credentials instead of one, used in this order, or by their weights. */
      credentials: z.array(credential()).min(1).optional(),
      /** What is sent with all credentials of the provider together. */
      limits: upstreamLimitsSchema(),
      /** Sent with every request, over the caller's. */
      headers: headers().default({}),
      /** Request headers of the caller passed on besides the built-in list. */
      forwardHeaders: z.array(z.string().toLowerCase()).default([]),
      /** Reply headers of the provider passed on besides the built-in list. */
      relayHeaders: z.array(z.string().toLowerCase()).default([]),
      /** Ask OpenAI-shaped streams for usage when the caller did not. Switch off for servers that refuse `stream_options`. */
      streamUsage: z.boolean().default(true),
      /** Sockets per credential. */
      maxConnections: positiveInteger().max(100_000).default(16_384),
      /** Requests at once, for each model and credential. Default: as many as its 429s leave. */
      maxInFlight: positiveInteger().max(100_000).optional(),
      /** Requests that wait for a place when as many run as may, or for the probe of a target that was down; for each model and credential. */
      maxQueued: z.int().nonnegative().max(100_000).default(100),
      connectTimeoutMs: milliseconds().default(3_000),
      /** From the request being sent to the reply's first byte. */
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
