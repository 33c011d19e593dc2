import * as z from 'zod';
import { lazily } from '../../lazily.ts';

const amount = 'an amount is a number from 0, or a decimal string such as "0.15"';

/** US dollars: a number, or a decimal string where every digit counts. */
export const moneySchema = lazily(() =>
  z.union(
    [
      // report nothing else about an invalid amount
      z.number().nonnegative({ error: amount, abort: true }),
      z.string().regex(/^\d{1,9}(\.\d{1,9})?$/, { error: amount, abort: true }),
    ],
    { error: amount },
  ),
);

/** A day (midnight UTC) or an instant with its offset; milliseconds since the epoch once parsed. */
export const dateSchema = lazily(() =>
  z
    .union([z.iso.date(), z.iso.datetime({ offset: true })], {
      error: 'a date is written as 2026-01-31 or 2026-01-31T00:00:00Z',
    })
    .transform((text) => Date.parse(text)),
);

/** The same for values that are stored and parsed again: also takes milliseconds since the epoch as they are. */
export const instantSchema = lazily(() =>
  z
    .union([z.int().max(8.64e15), dateSchema()], {
      error: 'an instant is written as 2026-01-31 or 2026-01-31T00:00:00Z',
    })
    .refine((ms) => ms > 0, { error: 'must lie after 1970' }),
);
