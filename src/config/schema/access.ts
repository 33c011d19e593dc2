import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import {
  limitSchema,
  limitsSchema,
  nameSchema,
  patternSchema,
  plainModelNameSchema,
  userSchema,
} from './parts.ts';
import { regionsSchema } from './routes.ts';

const models = lazily(() => z.array(patternSchema()).max(10_000));
const servers = lazily(() => z.array(patternSchema()).max(1_000));

/**
 * Whose credential pays the provider: the gateway's (`standard`), one that the user or project registered (`byok`), or
 * the caller's own (`passthrough`: Anthropic's endpoints and models at Anthropic; other dialects stay `standard`). The
 * nearest level that sets it wins: project, project's profile, team's profile, organisation; otherwise `standard`.
 */
const billing = lazily(() => z.enum(['standard', 'byok', 'passthrough']));

/**
 * Whether the content of requests and replies may be kept. Levels only make it stricter: `none` at any level is final;
 * `full` needs one level that sets it and none that sets `none`. Default: `none`.
 */
const capture = lazily(() => z.enum(['none', 'full']));

/** What a request must state in `x-headgate-metadata`. Each level adds names; none removes one. */
const metadata = lazily(() =>
  z.strictObject({
    required: z
      .array(
        z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, { error: 'a name has 1 to 64 letters, digits or _ . -' }),
      )
      .max(32)
      .default([]),
  }),
);

/** Where requests may be handled. Each level that sets this must permit the place; none can restore one. */
const regions = lazily(() => regionsSchema().optional());

/** Applies to everybody. The organisation's limits are the top-level `limits`. */
export const organisationSchema = lazily(() =>
  z.strictObject({
    /** Narrows every profile. */
    models: models().optional(),
    billing: billing().optional(),
    metadata: metadata().optional(),
    capture: capture().optional(),
    regions: regions(),
  }),
);

/** An access profile: set once, inherited by every key of its teams. */
export const profileSchema = lazily(() =>
  z.strictObject({
    /** Model names and patterns. A name must be a model of the catalog: aliases and families are only ways to ask. */
    models: models().default(['*']),
    limits: limitsSchema(),
    /** The version that callers get when they ask for a family or an alias; changed only here. */
    pins: z.record(plainModelNameSchema(), plainModelNameSchema()).default({}),
    /** MCP servers, by name and pattern. */
    mcpServers: servers().optional(),
    billing: billing().optional(),
    metadata: metadata().optional(),
    capture: capture().optional(),
    regions: regions(),
    /**
     * Instead of refusing a request, lowers its output limit to what its `usd` and `tokens` limits still allow, if that
     * is enough to be useful. The project's profile overrides the team's. Default: false.
     */
    clampOutput: z.boolean().optional(),
    /**
     * `batch`: its requests wait behind all others when there is no room for all, and are turned away first. Either the
     * project's profile or the team's may set it; a request may set it for itself, not undo it. Default: `interactive`.
     */
    priority: z.enum(['interactive', 'batch']).optional(),
    /** Its keys can read all of `GET /headgate/health`. The project's profile overrides the team's. Default: false. */
    operator: z.boolean().optional(),
  }),
);

/** A team has one profile, plus its own limits. */
export const teamSchema = lazily(() => z.strictObject({ profile: nameSchema(), limits: limitsSchema() }));

/** A project of a team. Its settings add to the team's profile: fewer models, more limits. */
export const projectSchema = lazily(() =>
  z.strictObject({
    team: nameSchema(),
    /** A second profile: both must permit a model, the limits of both apply, and its pins come before the team's. */
    profile: nameSchema().optional(),
    models: models().optional(),
    limits: limitsSchema(),
    mcpServers: servers().optional(),
    billing: billing().optional(),
    metadata: metadata().optional(),
    capture: capture().optional(),
  }),
);

/** A user, across all teams and keys. */
export const userPolicySchema = lazily(() =>
  z.strictObject({ models: models().optional(), limits: limitsSchema() }),
);

const previousSecret = lazily(() =>
  z.strictObject({
    secretHash: z.string().regex(/^[0-9a-f]{64}$/),
    pepperId: z.string().min(1),
    last4: z.string().length(4),
    graceUntilMs: z.int().nonnegative(),
  }),
);

/** A key's record, as `KeyRecord` describes it. */
export const keySchema = lazily(() =>
  z.strictObject({
    kid: z.string().regex(/^[0-9A-Za-z]{10,12}$/),
    secretHash: z.string().regex(/^[0-9a-f]{64}$/),
    pepperId: z.string().min(1),
    team: nameSchema(),
    project: nameSchema().optional(),
    owner: userSchema().optional(),
    application: z.string().min(1).max(200).optional(),
    environment: z.string().regex(/^[a-z]{2,8}$/),
    models: models().optional(),
    limits: z.array(limitSchema()).max(64).optional(),
    expiresAtMs: z.int().nonnegative().optional(),
    revokedAtMs: z.int().nonnegative().optional(),
    createdAtMs: z.int().nonnegative(),
    createdBy: z.string().max(200).optional(),
    name: z.string().max(200).optional(),
    last4: z.string().length(4),
    labels: z.record(z.string(), z.string()).optional(),
    previous: previousSecret().optional(),
    lastUsedAtMs: z.int().nonnegative().optional(),
    previousUsedAtMs: z.int().nonnegative().optional(),
    version: z.int().nonnegative().optional(),
  }),
);
