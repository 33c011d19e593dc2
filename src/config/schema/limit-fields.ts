import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { instantSchema, moneySchema } from './scalars.ts';

const callerSubject = lazily(() =>
  z.union(
    [
      z.enum(['key', 'user', 'project', 'team', 'organisation', 'model', 'run', 'endUser']),
      /** A value that requests give in `x-headgate-metadata`. */
      z.custom<`metadata:${string}`>(isMetadata),
    ],
    {
      error:
        'a subject is key, user, project, team, organisation, model, run, endUser or metadata:<name>, or a list of them',
    },
  ),
);

const upstreamSubject = lazily(() =>
  z.enum(['provider', 'credential', 'model'], {
    error: 'a subject of a provider is provider, credential or model, or a list of them',
  }),
);

/** One subject, or several, each combination counted separately: `['team', 'model']` is each team on each model. */
function oneOrMore<Subject extends z.ZodType<string>>(subject: Subject) {
  const list = z
    .array(subject)
    .min(1)
    .max(8)
    .refine((names) => new Set(names).size === names.length, { error: 'names a subject twice' });
  return z.union([subject, list], { error: ({ input }) => explain(subject, list, input) });
}

// a union's own error says only that nothing matches
function explain(subject: z.ZodType, list: z.ZodType, input: unknown): string | undefined {
  return (Array.isArray(input) ? list : subject).safeParse(input).error?.issues[0]?.message;
}

/** Whose use a limit adds up. A list counts each combination separately. */
export const perSchema = lazily(() => oneOrMore(callerSubject()));
/** The same for a limit on what is sent to a provider. */
export const upstreamPerSchema = lazily(() => oneOrMore(upstreamSubject()));

const weight = lazily(() => z.number().min(0).max(100).optional());

/** How much of a token each kind counts; rounded up for each request. */
export const weightsSchema = lazily(() =>
  z.strictObject({
    /** Input read from the provider's cache. Default: 1. */
    cached: weight(),
    /** Input written to the provider's cache. Default: 1. */
    cacheWrite: weight(),
    /** Output that is reasoning. Default: 1. */
    reasoning: weight(),
  }),
);

/** Percentages of the amount. */
export const thresholdsSchema = lazily(() => z.array(z.number().min(1).max(1_000)).max(16));

/** A higher amount for some time. */
export const raiseSchema = lazily(() =>
  z.strictObject({
    amount: moneySchema(),
    /** From here on the raise is over. */
    until: instantSchema(),
  }),
);

function isMetadata(subject: unknown): boolean {
  return typeof subject === 'string' && /^metadata:[A-Za-z0-9_.-]{1,64}$/.test(subject);
}
