import { type Limit, toLimit, type WrittenLimit } from './limit.ts';
import type { WindowOf } from './remember-windows.ts';
import { type LimitSubject, toPrefix } from './subject.ts';

const strictest = ['block', 'warn', 'shadow'] as const satisfies readonly Limit['mode'][];

/** The limits of one place, in the order written. */
export interface LevelLimits {
  readonly limits: readonly Limit[];
  /** Indexes of those that count the same, in the same mode, as one before them. `limits` includes them. */
  readonly repeated: readonly number[];
}

/**
 * Compiles the limits of one place. A count belongs to the strictest limit on it, so that its mode can be changed and
 * what was used still counts; a limit in another mode beside it (warn at 80, block at 100) has a count of its own.
 */
export function toLimits(
  configs: readonly WrittenLimit[],
  origin: string,
  defaultPer: LimitSubject,
  windowOf?: WindowOf,
): LevelLimits {
  const limits = configs.map((config) => toLimit(config, origin, defaultPer, windowOf));
  const modes = new Map<string, Set<Limit['mode']>>();
  const repeated: number[] = [];
  for (const [index, limit] of limits.entries()) {
    const count = countOf(limit);
    const known = modes.get(count) ?? new Set();
    if (known.has(limit.mode)) repeated.push(index);
    modes.set(count, known.add(limit.mode));
  }
  if (modes.size === limits.length) return { limits, repeated };
  return {
    limits: limits.map((limit) => {
      const beside = modes.get(countOf(limit));
      const owner = strictest.find((mode) => beside?.has(mode));
      return limit.mode === owner ? limit : { ...limit, prefix: `${limit.prefix}/${toPrefix([limit.mode])}` };
    }),
    repeated,
  };
}

/**
 * The limits of a key, which no check of the configuration has seen: of several that count the same, the tightest
 * replaces all.
 */
export function toOwnLimits(configs: readonly WrittenLimit[], origin: string): readonly Limit[] {
  const { limits, repeated } = toLimits(configs, origin, 'key');
  if (repeated.length === 0) return limits;
  const byCount = new Map<string, Limit>();
  for (const limit of limits) {
    const count = `${limit.mode} ${countOf(limit)}`;
    const known = byCount.get(count);
    byCount.set(count, known ? tightest(known, limit) : limit);
  }
  return [...byCount.values()];
}

function countOf({ prefix, per }: Limit): string {
  return `${per.join()} ${prefix}`;
}

/** Never lets pass what either would stop: the lower amount, raised at most to the higher. */
function tightest(one: Limit, other: Limit): Limit {
  const [lower, higher] = one.amount <= other.amount ? [one, other] : [other, one];
  const raises = lower.raises
    .map(({ amount, untilMs }) => ({ amount: Math.min(amount, higher.amount), untilMs }))
    .filter(({ amount }) => amount > lower.amount);
  return { ...lower, raises };
}
