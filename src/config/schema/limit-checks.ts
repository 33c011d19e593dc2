import type * as z from 'zod';

/** The fields of a limit that must agree. */
interface CheckedLimit {
  readonly unit: 'requests' | 'tokens' | 'usd' | 'parallel';
  readonly amount: number | string;
  readonly raises?: readonly { readonly amount: number | string }[] | undefined;
  readonly window?: unknown;
  readonly count?: unknown;
  readonly weights?: unknown;
  readonly mode?: string;
  readonly throttleMs?: unknown;
}

const notWhole = 'an amount of requests, tokens or parallel is a whole number';
const notCountable = 'an amount of usd is 0, or from 0.000000001 to 9000000';

/** Checks a limit as a whole, for `superRefine`. */
export function checkLimit(limit: CheckedLimit, context: z.core.$RefinementCtx): void {
  const { unit, amount, raises = [], window, count, weights, mode, throttleMs } = limit;
  const report = (path: (string | number)[], message: string) =>
    context.addIssue({ code: 'custom', path, message });

  if ((unit === 'parallel') !== (window === undefined)) {
    report(['window'], 'parallel takes no window; every other unit needs one');
  }
  const isUsable = unit === 'usd' ? isCountable : isWhole;
  const unusable = unit === 'usd' ? notCountable : notWhole;
  if (!isUsable(amount)) report(['amount'], unusable);
  for (const [index, raise] of raises.entries()) {
    const path = ['raises', index, 'amount'];
    if (!isUsable(raise.amount)) report(path, unusable);
    else if (Number(raise.amount) <= Number(amount))
      report(path, 'a raise is higher than the amount; to lower it, change the amount');
  }
  if (throttleMs !== undefined && mode !== 'block') {
    report(
      ['throttleMs'],
      'only a limit that blocks lets requests wait; remove throttleMs, or write mode: "block"',
    );
  }
  if (unit === 'tokens') return;
  if (count !== undefined) {
    report(['count'], 'only tokens are input or output; remove count, or write unit: "tokens"');
  }
  if (weights !== undefined) {
    report(['weights'], 'only tokens have weights; remove them, or write unit: "tokens"');
  }
}

function isWhole(amount: number | string): boolean {
  return Number.isSafeInteger(Number(amount));
}

/** Money is counted in whole nano-dollars, below 2^53. */
function isCountable(amount: number | string): boolean {
  const dollars = Number(amount);
  return dollars === 0 || (dollars >= 1e-9 && dollars <= 9e6);
}
