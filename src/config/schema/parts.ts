import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { checkLimit } from './limit-checks.ts';
import {
  perSchema,
  raiseSchema,
  thresholdsSchema,
  upstreamPerSchema,
  weightsSchema,
} from './limit-fields.ts';
import { moneySchema } from './scalars.ts';
import { windowSchema } from './window.ts';

export { dateSchema, moneySchema } from './scalars.ts';

/** A name used in paths, ledger keys and logs. */
export const nameSchema = lazily(() =>
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
    error:
      'a name has 1 to 64 letters, digits, dots, dashes or underscores and starts with a letter or digit',
  }),
);

/** A model's name, as a client or a provider spells it. */
export const modelNameSchema = lazily(() =>
  z.string().regex(/^[A-Za-z0-9*][A-Za-z0-9._:/@*-]{0,199}$/, {
    error: 'a model name has 1 to 200 letters, digits or . _ - : / @, and may end in *',
  }),
);

/** A name, or a prefix of names followed by `*`. */
export const patternSchema = lazily(() =>
  modelNameSchema().refine((text) => !text.slice(0, -1).includes('*'), {
    error: 'only the last character of a pattern may be *',
  }),
);

/** A model's name without a `*`. */
export const plainModelNameSchema = lazily(() =>
  modelNameSchema().refine((text) => !text.includes('*'), {
    error: 'must be a name, not a pattern',
  }),
);

/** A user as keys and tokens name it. */
export const userSchema = lazily(() =>
  z
    .string()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    .regex(/^(?!__proto__$)[^\u0000-\u001f\u007f]{1,200}$/, {
      error: 'a user has 1 to 200 characters, without control characters',
    }),
);

/** From 1 to the largest safe integer. */
export const positiveInteger = lazily(() => z.int().positive());
/** From 1 to the most that a timer takes, some 24 days. */
export const milliseconds = lazily(() => z.int().positive().max(2_147_483_647));
/** From 1 byte to 1 GiB: what one request may hold in memory. */
export const bytes = lazily(() => z.int().positive().max(1_073_741_824));

/** The fields of every limit, wherever it is set. */
const limitFields = lazily(() => ({
  /** What is counted; `usd` needs a price on every model it can cover. */
  unit: z.enum(['requests', 'tokens', 'usd', 'parallel']),
  /** Which tokens are counted. Default: `total`, input and output. */
  count: z.enum(['total', 'input', 'output']).optional(),
  weights: weightsSchema().optional(),
  /** The most that one window may take; US dollars for `usd`. */
  amount: moneySchema(),
  /** Higher amounts for a time; if several apply, the highest. What was used still counts. */
  raises: z.array(raiseSchema()).max(32).optional(),
  /** The time over which use adds up. Required, except for `parallel`, which has none. */
  window: windowSchema().optional(),
  /**
   * `block` refuses; `warn` lets requests pass and reports it in `x-headgate-warning`; `shadow` lets them pass and only
   * counts what it would have refused.
   */
  mode: z.enum(['block', 'warn', 'shadow']).default('block'),
  /** Percentages of the amount at which its use is reported. Default: 50, 80 and 100 for `warn`, else none. */
  thresholds: thresholdsSchema().optional(),
  /**
   * What happens to requests while the store of the counts is unavailable: `closed` refuses them, `degraded` lets each
   * process count for itself with its share of the amount, `open` lets them pass and counts them afterwards. Default:
   * `open` for limits that do not block, `closed` for budgets (`usd`; `tokens` over a day or longer), else `degraded`.
   */
  onFailure: z.enum(['closed', 'degraded', 'open']).optional(),
  /** The status for a spent budget or a wait of more than a minute. Default: 402. */
  status: z.union([z.literal(402), z.literal(429)], { error: 'a status is 402 or 429' }).optional(),
  /** Counts only requests for these models. Default: all. */
  models: z.array(patternSchema()).min(1).optional(),
}));

/** A limit as it is written. */
export const limitSchema = lazily(() =>
  z
    .strictObject({
      ...limitFields(),
      /**
       * Whose use is added up: one subject, or several, each combination counted separately. Default: the level at
       * which the limit is set: `key` in a profile and on a key, `team` in a team, `project` in a project, `user` on a
       * user, `organisation` at the top. A request that lacks a subject (no project, no end user) is not counted,
       * unless `required` is set. Whoever chooses a value (`run`, `endUser`, `metadata:<name>`) chooses the count: add
       * a limit on the caller.
       */
      per: perSchema().optional(),
      /**
       * A request over the limit waits up to this long for room instead of being refused at once; it is refused at once
       * if the limit resets later than that. For `block`. Default: 0.
       */
      throttleMs: z.int().min(0).max(60_000).optional(),
      /** Refuses requests that lack what `per` names, instead of not counting them. Default: false. */
      required: z.boolean().optional(),
    })
    .superRefine(checkLimit),
);

/**
 * A limit of a provider or one of its credentials, on what is sent with the gateway's own credentials. A credential at
 * its limit is skipped.
 */
export const upstreamLimitSchema = lazily(() =>
  z
    .strictObject({
      ...limitFields(),
      /** Default: where the limit is set, `provider` or `credential`. */
      per: upstreamPerSchema().optional(),
    })
    .superRefine(checkLimit),
);

/** The limits of one level. */
export const limitsSchema = lazily(() => z.array(limitSchema()).max(64).default([]));

/** The limits of a provider, or of one of its credentials. */
export const upstreamLimitsSchema = lazily(() => z.array(upstreamLimitSchema()).max(16).default([]));
