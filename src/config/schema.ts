import * as z from 'zod';
import type { KeyRecord } from '../stores/key-store.ts';

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
  error: 'a name has 1 to 64 letters, digits, dots, dashes or underscores and starts with a letter or digit',
});
const modelName = z.string().regex(/^[A-Za-z0-9*][A-Za-z0-9._:/@*-]{0,199}$/, {
  error: 'a model name has 1 to 200 letters, digits or . _ - : / @, and may end in *',
});
const pattern = modelName.refine((text) => !text.slice(0, -1).includes('*'), {
  error: 'only the last character of a pattern may be *',
});
const positiveInteger = z.int().positive();
const milliseconds = z.int().positive().max(2_147_483_647);

/** A secret: the text itself, or where to find it. Functions are called at each `update`. */
const secret = z.union([
  z.string().min(1),
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: z.string().min(1) }),
  z.function({ input: [], output: z.string() }),
]);

const money = z.union([z.number().nonnegative(), z.string().regex(/^\d{1,9}(\.\d{1,9})?$/)]);

const window = z.string().regex(/^[1-9]\d{0,5}(s|m|h|d)$/, {
  error: 'a window is a number and a unit: 30s, 1m, 1h, 1d',
});

const limit = z
  .strictObject({
    /** What is counted; `usd` needs a price on every model it can meet. */
    unit: z.enum(['requests', 'tokens', 'usd', 'parallel']),
    /** The most that one window may take; US dollars for `usd`. */
    amount: money,
    /** Length of the fixed window. Required but for `parallel`, which has none. */
    window: window.optional(),
    /** Whose use is added up. Default: `key` in a profile, `team` in a team, `organisation` at the top. */
    per: z.enum(['key', 'user', 'project', 'team', 'organisation']).optional(),
    /** `block` refuses, `warn` lets pass and says so in `x-headgate-warning`. */
    mode: z.enum(['block', 'warn']).default('block'),
    /** Counts only requests for these models. Default: all. */
    models: z.array(pattern).min(1).optional(),
  })
  .refine((value) => (value.unit === 'parallel') === (value.window === undefined), {
    error: 'parallel takes no window; every other unit needs one',
    path: ['window'],
  })
  .refine((value) => value.unit === 'usd' || Number.isSafeInteger(Number(value.amount)), {
    error: 'an amount of requests, tokens or parallel is a whole number',
    path: ['amount'],
  });

const headers = z.record(
  z.string().regex(/^[a-z0-9-]{1,64}$/, { error: 'header names are lower case' }),
  z.string(),
);

const provider = z
  .strictObject({
    /** Which provider implementation speaks to it: `openai` (and everything compatible), `anthropic`, `gemini`, or one of your own. */
    type: name,
    /** Where it lives. Default: the provider's public address. OpenAI-compatible: including `/v1`. */
    baseUrl: z.url({ protocol: /^https?$/ }).optional(),
    apiKey: secret.optional(),
    /** Several credentials instead of one, used in this order. */
    credentials: z
      .array(z.strictObject({ id: name, apiKey: secret }))
      .min(1)
      .optional(),
    /** Sent with every request, over the caller's. */
    headers: headers.default({}),
    /** Request headers of the caller passed on besides the built-in list. */
    forwardHeaders: z.array(z.string().toLowerCase()).default([]),
    /** Reply headers of the provider passed on besides the built-in list. */
    relayHeaders: z.array(z.string().toLowerCase()).default([]),
    /** Ask OpenAI-shaped streams for usage when the caller did not. Switch off for servers that refuse `stream_options`. */
    streamUsage: z.boolean().default(true),
    /** Sockets per credential. */
    maxConnections: positiveInteger.max(100_000).default(16_384),
    connectTimeoutMs: milliseconds.default(3_000),
    /** From the request being sent to the reply's first byte. */
    headersTimeoutMs: milliseconds.default(300_000),
    /** Between two chunks of a reply. */
    idleTimeoutMs: milliseconds.default(120_000),
  })
  .refine((value) => !(value.apiKey && value.credentials), { error: 'give apiKey or credentials, not both' });

const target = z.union([
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(\/.+)?$/, {
    error: 'a target is "provider" or "provider/model"',
  }),
  z.strictObject({ provider: name, model: modelName.optional() }),
]);

const price = z.strictObject({
  /** US dollars per million tokens. */
  input: money,
  output: money,
  cachedInput: money.optional(),
  cacheWrite5m: money.optional(),
  cacheWrite1h: money.optional(),
});

const model = z.strictObject({
  /** Tried in this order. `provider` alone keeps the model's name; `provider/model` changes it; a `*` in it takes what the name's `*` stood for. */
  targets: z.array(target).min(1).max(32),
  aliases: z.array(modelName).default([]),
  displayName: z.string().max(200).optional(),
  ownedBy: z.string().max(100).optional(),
  price: price.optional(),
  /** What a request may produce when it names no limit of its own; used for estimates. */
  maxOutputTokens: positiveInteger.optional(),
  enabled: z.boolean().default(true),
});

const profile = z.strictObject({
  models: z.array(pattern).default(['*']),
  limits: z.array(limit).max(64).default([]),
});

const team = z.strictObject({ profile: name, limits: z.array(limit).max(64).default([]) });

const key = z.strictObject({
  kid: z.string().regex(/^[0-9A-Za-z]{10,12}$/),
  secretHash: z.string().regex(/^[0-9a-f]{64}$/),
  pepperId: z.string().min(1),
  team: name,
  project: name.optional(),
  owner: z.string().max(200).optional(),
  application: z.string().max(200).optional(),
  environment: z.string().regex(/^[a-z]{2,8}$/),
  models: z.array(pattern).optional(),
  expiresAtMs: z.int().nonnegative().optional(),
  revokedAtMs: z.int().nonnegative().optional(),
  createdAtMs: z.int().nonnegative(),
  last4: z.string().length(4),
  labels: z.record(z.string(), z.string()).optional(),
});

const bytes = z.int().positive().max(1_073_741_824);

const relay = z.strictObject({
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

const retry = z.strictObject({
  /** Attempts for one request over all targets. */
  maxAttempts: z.int().min(1).max(20).default(4),
  minBackoffMs: milliseconds.default(250),
  maxBackoffMs: milliseconds.default(5_000),
  /** No new attempt begins after this long. */
  deadlineMs: milliseconds.default(120_000),
});

const breaker = z.strictObject({
  /** Share of failed attempts that opens it, in percent. */
  errorThresholdPercentage: z.number().min(1).max(100).default(50),
  /** Attempts in the rolling window before it may open. */
  volumeThreshold: positiveInteger.default(10),
  /** How long it stays open before one probe. */
  resetTimeoutMs: milliseconds.default(30_000),
});

const idempotency = z.strictObject({
  /** Replies kept for `idempotency-key`. 0 switches it off. */
  maxEntries: z.int().nonnegative().default(1_000),
  /** Largest reply kept. */
  maxReplyBytes: bytes.default(262_144),
  ttlMs: milliseconds.default(86_400_000),
});

/** The whole configuration of a gateway; what each field means stands beside it. */
export const configSchema = z.strictObject({
  providers: z.record(name, provider),
  models: z.record(pattern, model),
  profiles: z.record(name, profile).prefault({}),
  teams: z.record(name, team).prefault({}),
  /** Keys held in the configuration itself; as `headgate keys create` prints them. */
  keys: z.array(key).default([]),
  /** Limits of the whole organisation. */
  limits: z.array(limit).max(64).default([]),
  /** The gateway's own address as callers see it, for links in replies. Default: from the request. */
  publicUrl: z.url({ protocol: /^https?$/ }).optional(),
  relay: relay.prefault({}),
  retry: retry.prefault({}),
  breaker: breaker.prefault({}),
  idempotency: idempotency.prefault({}),
});

/** A configuration as it is written. */
export type GatewayConfig = Omit<z.input<typeof configSchema>, 'keys'> & {
  readonly keys?: readonly KeyRecord[];
};
/** A configuration with every default filled in. */
export type ParsedConfig = z.output<typeof configSchema>;
export type ProviderConfig = ParsedConfig['providers'][string];
export type ModelConfig = ParsedConfig['models'][string];
export type LimitConfig = ParsedConfig['limits'][number];
export type PriceConfig = z.output<typeof price>;
export type SecretConfig = z.output<typeof secret>;

/**
 * Gives a configuration its type; changes nothing.
 *
 * @example
 * export default defineConfig({
 *   providers: { openai: { type: 'openai', apiKey: { env: 'OPENAI_API_KEY' } } },
 *   models: { 'gpt-4.1': { targets: ['openai'] } },
 *   profiles: { standard: { models: ['gpt-*'], limits: [{ unit: 'requests', amount: 60, window: '1m' }] } },
 *   teams: { payments: { profile: 'standard' } },
 * });
 */
export function defineConfig(config: GatewayConfig): GatewayConfig {
  return config;
}
