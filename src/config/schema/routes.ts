import * as z from 'zod';
import { dialectNames, operations } from '../../dialects/names.ts';
import { lazily } from '../../lazily.ts';
import { regionSchema } from './catalog.ts';
import { forwardingSchema } from './forwarding.ts';
import { limitSchema, milliseconds, nameSchema, patternSchema, positiveInteger } from './parts.ts';
import { routeTargetSchema } from './route-target.ts';
import { timeZoneSchema } from './window.ts';

/** A text, or a prefix followed by `*`; `*` alone matches any. */
const text = lazily(() => z.string().min(1).max(512));
const texts = lazily(() => z.array(text()).min(1).max(1_000));
const textOrTexts = lazily(() => z.union([text(), texts()], { error: 'must be a text or a list of texts' }));

/** Regions: `eu`, or `eu-*` for all that begin with `eu-`. */
export const regionsSchema = lazily(() =>
  z
    .array(
      z.union([regionSchema(), z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}\*$/)], {
        error: 'a region has small letters, digits or dashes, and may end in *',
      }),
    )
    .min(1)
    .max(64),
);

const tokens = lazily(() =>
  z
    .strictObject({ min: z.int().nonnegative().optional(), max: z.int().nonnegative().optional() })
    .refine(({ min, max }) => min !== undefined || max !== undefined, { error: 'give min, max or both' })
    .refine(({ min = 0, max }) => max === undefined || min <= max, { error: 'min is above max' }),
);

const clock = lazily(() =>
  z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error: 'a time of day is HH:MM, as "08:30"' }),
);

const weekdayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

const time = lazily(() =>
  z
    .strictObject({
      /** Days on which the span begins. Default: all. */
      days: z.array(z.enum(weekdayNames)).min(1).max(7).optional(),
      /** Default: 00:00. */
      from: clock().optional(),
      /** Exclusive; at or before `from`, it is on the next day. Default: the end of the day. */
      to: clock().optional(),
      timeZone: timeZoneSchema().default('UTC'),
    })
    .refine(({ from, to }) => to === undefined || from !== to, { error: 'from and to are the same' }),
);

const spent = lazily(() =>
  z.strictObject({
    /** Percentage of its amount, including what this request holds. */
    atLeastPercent: z.number().positive().max(1_000),
    /** Which limits, by label: `team payments: 100 usd*`. Default: all budgets, i.e. those in `usd` and `tokens`. */
    limits: texts().optional(),
  }),
);

/** What a route is for. Every condition must hold; within a list, one match is enough. */
const match = lazily(() =>
  z.strictObject({
    /** Public model names and patterns; requests that name no model match none. */
    models: z.array(patternSchema()).min(1).max(1_000).optional(),
    teams: texts().optional(),
    projects: texts().optional(),
    /** Ids of keys, as records show them. */
    keys: texts().optional(),
    users: texts().optional(),
    dialects: z.array(z.enum(dialectNames)).min(1).optional(),
    operations: z.array(z.enum(operations)).min(1).optional(),
    /** Values in `x-headgate-metadata`, by name. */
    metadata: z.record(z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/), textOrTexts()).optional(),
    /** Headers by lower-case name. Callers choose them: do not use them to enforce anything. */
    headers: z
      .record(z.string().regex(/^[a-z0-9-]{1,64}$/, { error: 'header names are lower case' }), textOrTexts())
      .optional(),
    /** Estimated tokens of the input. */
    inputTokens: tokens().optional(),
    stream: z.boolean().optional(),
    /** Whether the request brings tools. */
    tools: z.boolean().optional(),
    /** Whether it contains images. */
    images: z.boolean().optional(),
    time: time().optional(),
    /** How much of the request's limits is spent. */
    spent: spent().optional(),
    /** Your own function: `(facts) => boolean`, synchronous. A throw is counted, reported, and no match. */
    when: z
      .custom<(facts: never) => boolean>((value) => typeof value === 'function', 'must be a function')
      .optional(),
  }),
);

const strategy = lazily(() =>
  z.enum(['weighted', 'order', 'latency', 'least-in-flight', 'cheapest', 'headroom']),
);

/**
 * What keeps requests together at one target; the first that a request has applies: the session it names, the prompt
 * whose cache it can use, its user, its key.
 */
const sticky = lazily(() =>
  z.union([z.literal(false), z.array(z.enum(['session', 'cache', 'user', 'key'])).min(1)], {
    error: 'must be false, or a list of session, cache, user, key',
  }),
);

const choice = lazily(() => ({
  /**
   * Which target of a tier comes first: by `weighted` shares, as written (`order`), the fastest first token
   * (`latency`), the least busy (`least-in-flight`), the `cheapest`, or the one with the most left of its rate limits
   * (`headroom`). Default: `weighted`; `order` for the model's own targets.
   */
  strategy: strategy().optional(),
  /** Only with `weighted`. Default: `['session', 'cache']`. */
  sticky: sticky().optional(),
}));

const targets = lazily(() => z.array(routeTargetSchema()).min(1).max(32));

const tier = lazily(() =>
  z.strictObject({ targets: targets(), ...choice() }).refine(isStickyAllowed, {
    error: 'only weighted targets are sticky; remove sticky, or write strategy: "weighted"',
    path: ['sticky'],
  }),
);

const mirror = lazily(() =>
  z.strictObject({
    target: routeTargetSchema(),
    /** Share of the requests that are copied, from 0 to 1. Default: 1. */
    share: z.number().positive().max(1).default(1),
    /** Copies waiting or running at once; beyond that, none is made. */
    maxConcurrent: positiveInteger().max(1_000).default(4),
    /** A copy that takes longer is aborted. */
    timeoutMs: milliseconds().default(60_000),
    /** The budget of the copies; they count against no other limit. */
    limits: z.array(limitSchema()).max(16).default([]),
  }),
);

/** One route. The first active one that matches a request applies. */
export const routeSchema = lazily(() =>
  z
    .strictObject({
      name: nameSchema(),
      /** When false, as if it were not there. */
      active: z.boolean().default(true),
      match: match().prefault({}),
      /** One tier of targets. Default: the model's own. */
      targets: targets().optional(),
      /** Several tiers: the next one serves when all targets of the earlier ones have failed. */
      tiers: z.array(tier()).min(1).max(16).optional(),
      ...choice(),
      /** Where requests may be handled, failover included. */
      regions: regionsSchema().optional(),
      /** How its requests are forwarded; overrides the top-level `forwarding`. */
      forwarding: forwardingSchema().optional(),
      /** Copies requests to another target, whose answers go to nobody. */
      mirror: mirror().optional(),
    })
    .refine(({ targets, tiers }) => !(targets && tiers), { error: 'give targets or tiers, not both' })
    .refine(({ tiers, strategy, sticky }) => !tiers || (strategy === undefined && sticky === undefined), {
      error: 'strategy and sticky stand at each tier',
    })
    .refine(isStickyAllowed, {
      error: 'only weighted targets are sticky; remove sticky, or write strategy: "weighted"',
      path: ['sticky'],
    }),
);

/** Routes, in the order they are tried. Default: none, so that each model goes to its own targets. */
export const routesSchema = lazily(() => z.array(routeSchema()).max(1_000).default([]));

function isStickyAllowed({ strategy, sticky }: { strategy?: unknown; sticky?: unknown }): boolean {
  return sticky === undefined || sticky === false || strategy === undefined || strategy === 'weighted';
}
