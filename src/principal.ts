import * as z from 'zod';
import { limitSchema } from './config/schema/parts.ts';
import type { GatewayConfig, LimitConfig } from './config/schema.ts';
import { lazily } from './lazily.ts';

/** How a caller proved who it is: a Headgate key, a token of the organisation's identity provider, or the host application. */
export type PrincipalSource = 'key' | 'jwt' | 'host';

/** What is known about a caller; `createPrincipal` turns it into a principal. */
export interface PrincipalInput {
  readonly source: PrincipalSource;
  /** What requests are counted by: the public id of the key, or an equally stable id. 1 to 256 characters. */
  readonly key: string;
  /** A team of the configuration. */
  readonly team: string;
  readonly project?: string | undefined;
  readonly user?: string | undefined;
  readonly application?: string | undefined;
  readonly environment?: string | undefined;
  /** Narrows what the team may use, as patterns. Never widens it. */
  readonly models?: readonly string[] | undefined;
  /** Limits of this caller alone, on top of all it inherits. */
  readonly limits?: readonly NonNullable<GatewayConfig['limits']>[number][] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** When the proof of identity expires, milliseconds since the epoch. */
  readonly expiresAtMs?: number | undefined;
}

declare const brand: unique symbol;

/** Who a request is attributed to. Only `createPrincipal` makes one, and never without a key and a team: there is no anonymous one. */
export interface Principal {
  readonly [brand]: true;
  readonly source: PrincipalSource;
  /** Public id of the key, or what stands for it. */
  readonly key: string;
  readonly team: string;
  readonly project: string | undefined;
  /** The person or workload that the key belongs to. */
  readonly user: string | undefined;
  readonly application: string | undefined;
  readonly environment: string | undefined;
  /** Models the caller is narrowed to, as patterns; undefined when it is not. */
  readonly models: readonly string[] | undefined;
  /** Limits of this caller alone; undefined when it has none. */
  readonly limits: readonly LimitConfig[] | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly expiresAtMs: number | undefined;
}

// as attribution needs it: printable, bounded, one line
const text = (max: number) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(max, `must have at most ${max} characters`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    .regex(/^[^\u0000-\u001f\u007f]*$/, 'must not have control characters');

const inputSchema = lazily(() =>
  z.object({
    source: z.enum(['key', 'jwt', 'host'], 'must be "key", "jwt" or "host"'),
    key: text(256),
    team: text(256),
    project: text(256).optional(),
    user: text(200).optional(),
    application: text(200).optional(),
    environment: text(64).optional(),
    // an invalid pattern matches nothing, and so permits nothing
    models: z.array(z.string().max(200)).max(10_000).optional(),
    limits: z.array(limitSchema()).max(64).optional(),
    labels: z.record(z.string(), z.string()).optional(),
    expiresAtMs: z.number().nonnegative().optional(),
  }),
);

const made = new WeakSet<object>();
const noLabels = Object.freeze({});

/** Whether a value was made by `createPrincipal`. */
export function isPrincipal(value: unknown): value is Principal {
  return typeof value === 'object' && value !== null && made.has(value);
}

/**
 * Makes a principal: checked, copied and frozen. An existing principal is returned as it is.
 *
 * @throws TypeError naming the field that is missing, empty or wrong. Identity fields have no defaults.
 */
export function createPrincipal(input: PrincipalInput): Principal {
  if (isPrincipal(input)) return input;
  const parsed = inputSchema().safeParse(input);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0] as z.core.$ZodIssue;
    const field = path.length === 0 ? 'input' : path.map(String).join('.');
    throw new TypeError(`createPrincipal: "${field}": ${message}`);
  }
  const { source, key, team, project, user, application, environment, models, limits, labels, expiresAtMs } =
    parsed.data;
  const principal = Object.freeze({
    source,
    key,
    team,
    project,
    user,
    application,
    environment,
    models: models && Object.freeze(models),
    limits: limits && limits.length > 0 ? Object.freeze(limits) : undefined,
    labels: labels ? Object.freeze(labels) : noLabels,
    expiresAtMs,
  });
  made.add(principal);
  // the brand exists for the compiler alone
  return principal as unknown as Principal;
}
