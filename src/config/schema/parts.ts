import * as z from 'zod';

/** A name that stands in paths, ledger keys and logs. */
export const nameSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
  error: 'a name has 1 to 64 letters, digits, dots, dashes or underscores and starts with a letter or digit',
});

/** A model's name, as a client or a provider spells it. */
export const modelNameSchema = z.string().regex(/^[A-Za-z0-9*][A-Za-z0-9._:/@*-]{0,199}$/, {
  error: 'a model name has 1 to 200 letters, digits or . _ - : / @, and may end in *',
});

/** A name, or the beginning of names with a `*` behind it. */
export const patternSchema = modelNameSchema.refine((text) => !text.slice(0, -1).includes('*'), {
  error: 'only the last character of a pattern may be *',
});

/** A model's name without a `*`. */
export const plainModelNameSchema = modelNameSchema.refine((text) => !text.includes('*'), {
  error: 'must be a name, not a pattern',
});

/** A user as keys and tokens name it. */
export const userSchema = z
  .string()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  .regex(/^(?!__proto__$)[^\u0000-\u001f\u007f]{1,200}$/, {
    error: 'a user has 1 to 200 characters, without control characters',
  });

export const positiveInteger = z.int().positive();
export const milliseconds = z.int().positive().max(2_147_483_647);
export const bytes = z.int().positive().max(1_073_741_824);

/** US dollars: a number, or a decimal string where every digit counts. */
export const moneySchema = z.union([z.number().nonnegative(), z.string().regex(/^\d{1,9}(\.\d{1,9})?$/)], {
  error: 'an amount is a number from 0, or a decimal string such as "0.15"',
});

/** A day (midnight UTC) or an instant with its offset; milliseconds since the epoch once parsed. */
export const dateSchema = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], {
    error: 'a date is written as 2026-01-31 or 2026-01-31T00:00:00Z',
  })
  .transform((text) => Date.parse(text));

const window = z.string().regex(/^[1-9]\d{0,5}(s|m|h|d)$/, {
  error: 'a window is a number and a unit: 30s, 1m, 1h, 1d',
});

/** A limit as it is written. */
export const limitSchema = z
  .strictObject({
    /** What is counted; `usd` needs a price on every model it can meet. */
    unit: z.enum(['requests', 'tokens', 'usd', 'parallel']),
    /** The most that one window may take; US dollars for `usd`. */
    amount: moneySchema,
    /** Length of the fixed window. Required but for `parallel`, which has none. */
    window: window.optional(),
    /**
     * Whose use is added up. Default: what the limit stands at: `key` in a profile and on a key, `team` in a team,
     * `project` in a project, `user` on a user, `organisation` at the top.
     */
    per: z.enum(['key', 'user', 'project', 'team', 'organisation']).optional(),
    /** `block` refuses, `warn` lets pass and says so in `x-headgate-warning`. */
    mode: z.enum(['block', 'warn']).default('block'),
    /** Counts only requests for these models. Default: all. */
    models: z.array(patternSchema).min(1).optional(),
  })
  .refine((value) => (value.unit === 'parallel') === (value.window === undefined), {
    error: 'parallel takes no window; every other unit needs one',
    path: ['window'],
  })
  .refine((value) => value.unit === 'usd' || Number.isSafeInteger(Number(value.amount)), {
    error: 'an amount of requests, tokens or parallel is a whole number',
    path: ['amount'],
  });

/** The limits of one level. */
export const limitsSchema = z.array(limitSchema).max(64).default([]);
