import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import {
  dateSchema,
  modelNameSchema,
  moneySchema,
  nameSchema,
  plainModelNameSchema,
  positiveInteger,
} from './parts.ts';

/** What tokens cost. */
export const priceSchema = lazily(() =>
  z.strictObject({
    /** US dollars per million tokens. */
    input: moneySchema(),
    output: moneySchema(),
    cachedInput: moneySchema().optional(),
    cacheWrite5m: moneySchema().optional(),
    cacheWrite1h: moneySchema().optional(),
  }),
);

/** The name of a region, such as `eu` or `eu-central-1`. */
export const regionSchema = lazily(() =>
  z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, {
    error: 'a region has 1 to 64 small letters, digits or dashes, such as "eu" or "eu-central-1"',
  }),
);

/** What distinguishes a target from the model's other targets. */
export const targetFields = lazily(() => ({
  provider: nameSchema(),
  model: modelNameSchema().optional(),
  /** Where it handles requests. Default: the region of its provider. */
  region: regionSchema().optional(),
  /** Tokens of its context window. Default: the model's. */
  contextWindow: positiveInteger().optional(),
  /**
   * Whether it continues an assistant turn that comes last in a request, so that it can take over a broken stream.
   * Default: false.
   */
  continues: z.boolean().optional(),
  /** What it costs, for choosing the cheapest; budgets and records use the model's price. Default: the model's. */
  price: priceSchema().optional(),
}));

/** `provider`, or `provider/model` where the provider knows the model by another name. */
export const targetTextSchema = lazily(() => z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(\/.+)?$/));

const target = lazily(() =>
  z.union([targetTextSchema(), z.strictObject(targetFields())], {
    error:
      'a target is "provider", "provider/model" or { provider, model, region, contextWindow, continues, price }',
  }),
);

const modality = lazily(() => z.enum(['text', 'image', 'audio', 'video', 'file', 'embedding']));

/** A model of the catalog. */
export const modelSchema = lazily(() =>
  z
    .strictObject({
      /**
       * Tried in this order. `provider` alone keeps the model's name; `provider/model` changes it; a `*` in it takes
       * what the name's `*` matched.
       */
      targets: z.array(target()).min(1).max(32),
      /** Other names of this model. */
      aliases: z.array(plainModelNameSchema()).max(100).default([]),
      /**
       * The name that this model shares with its other versions. Callers who ask for it get the version their profile
       * pins, or the newest they may use.
       */
      family: plainModelNameSchema().optional(),
      /** Which version of its family it is; for people, and to order versions released on the same day. */
      version: z.string().min(1).max(100).optional(),
      displayName: z.string().max(200).optional(),
      description: z.string().max(2_000).optional(),
      ownedBy: z.string().max(100).optional(),
      /** What it accepts and produces; for people and tools that read the catalog. */
      modalities: z
        .strictObject({ input: z.array(modality()).min(1), output: z.array(modality()).min(1) })
        .optional(),
      price: priceSchema().optional(),
      /** Tokens of the context window. */
      contextWindow: positiveInteger().optional(),
      /** The output that a request without its own limit may produce; used for estimates. */
      maxOutputTokens: positiveInteger().optional(),
      /** The highest estimated cost of one request, in US dollars. Needs a price. */
      maxCostUsd: moneySchema().optional(),
      /** When false, as if the model did not exist. */
      enabled: z.boolean().default(true),
      /** Unavailable before this. */
      releasedAt: dateSchema().optional(),
      /** From here on replies carry `deprecation` (RFC 9745) and `x-headgate-warning`. */
      deprecatedAt: dateSchema().optional(),
      /** Announced as `sunset` (RFC 8594); from here on, as if the model did not exist. */
      retiresAt: dateSchema().optional(),
      /** What to use instead: a model, an alias or a family. */
      replacement: plainModelNameSchema().optional(),
    })
    .refine((value) => value.maxCostUsd === undefined || value.price !== undefined, {
      error: 'a cap on cost needs a price: add price, or remove maxCostUsd',
      path: ['maxCostUsd'],
    })
    .refine((value) => isBefore(value.deprecatedAt, value.retiresAt), {
      error: 'must not lie after retiresAt',
      path: ['deprecatedAt'],
    })
    .refine((value) => isBefore(value.releasedAt, value.retiresAt), {
      error: 'must not lie after retiresAt',
      path: ['releasedAt'],
    }),
);

function isBefore(one: number | undefined, other: number | undefined): boolean {
  return one === undefined || other === undefined || one <= other;
}
