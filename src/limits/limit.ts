import { matchesAny } from '../config/patterns.ts';
import type { LimitConfig } from '../config/schema.ts';
import type { Principal } from '../principal.ts';
import { everyToken, type TokenCounting } from './count-tokens.ts';
import { toDurationMs } from './duration.ts';
import type { LimitUnit } from './ledger.ts';
import { toNanoUsd } from './price.ts';
import type { WindowOf } from './remember-windows.ts';
import {
  type LimitSubject,
  missingSubject,
  type SubjectFacts,
  subjectKey,
  toPrefix,
  toSubjects,
} from './subject.ts';
import { toWindow } from './to-window.ts';
import type { Window } from './window.ts';

export { toDurationMs as toWindowMs };

/** What happens to requests while the ledger is unavailable. */
export type FailurePolicy = 'closed' | 'degraded' | 'open';

/** A temporarily higher amount. */
export interface Raise {
  /** In units; nano-USD for `usd`. */
  readonly amount: number;
  /** When it ends, milliseconds since the epoch. */
  readonly untilMs: number;
}

/** A limit ready to be applied. Immutable. */
export interface Limit {
  /** As callers and operators see it: `team payments: 100 requests per 1m for each team`. */
  readonly label: string;
  /**
   * Ledger key without the subjects: where the limit is set, what it counts, over which window, for which models.
   * Amount, raises, thresholds, mode, failure policy, throttling and status are not part of it: changing them keeps the
   * count. The place where the limit is set is known by its name: another name, another count.
   */
  readonly prefix: string;
  readonly unit: LimitUnit;
  /** How tokens are counted, for `tokens`. */
  readonly tokens: TokenCounting;
  /** In units; nano-USD for `usd`. See `amountAt` for the one at an instant. */
  readonly amount: number;
  readonly raises: readonly Raise[];
  readonly window: Window;
  /** Each combination counts separately. */
  readonly per: readonly LimitSubject[];
  /** Whether a request that lacks one of `per` is refused instead of not counted. */
  readonly required: boolean;
  readonly mode: 'block' | 'warn' | 'shadow';
  /** In percent of the amount, ascending. */
  readonly thresholds: readonly number[];
  readonly onFailure: FailurePolicy;
  /** How long a request over the limit waits for room before it is refused. */
  readonly throttleMs: number;
  /** The status of the answer when a budget is spent. */
  readonly status: 402 | 429;
  readonly models: readonly string[] | undefined;
}

/** A limit as written at a level of the configuration, on a key, or at a provider. */
export type WrittenLimit = Omit<LimitConfig, 'per' | 'throttleMs'> & {
  readonly throttleMs?: number | undefined;
  readonly per?: LimitSubject | readonly LimitSubject[] | undefined;
};

/**
 * Compiles a limit. `origin` says where it is set (`profile standard`, `team payments`, `organisation`): the same limit
 * written in two places counts twice. `toLimits` compiles all limits of one place.
 *
 * @param defaultPer what it adds up by without `per`
 * @param windowOf makes its window. @default one of its own
 */
export function toLimit(
  config: WrittenLimit,
  origin: string,
  defaultPer: LimitSubject,
  windowOf: WindowOf = toWindow,
): Limit {
  const { unit, mode } = config;
  const per = toSubjects(config.per ?? defaultPer);
  const window = windowOf(config.window);
  const tokens = toCounting(config);
  const models = config.models && [...new Set(config.models)].sort();
  const what = unit === 'tokens' && tokens.count !== 'total' ? `${tokens.count} tokens` : unit;
  const when = unit === 'parallel' ? 'at once' : window.label;
  const on = config.models ? ` on ${config.models.join(', ')}` : '';
  return {
    label: `${origin}: ${config.amount} ${what} ${when} for each ${per.join(' and ')}${on}`,
    prefix: toPrefix([
      origin,
      unitId(unit, tokens),
      window.id,
      ...(models ? [`models ${models.join()}`] : []),
    ]),
    unit,
    tokens,
    amount: toAmount(config.amount, unit),
    raises: (config.raises ?? []).map(({ amount, until }) => ({
      amount: toAmount(amount, unit),
      untilMs: until,
    })),
    window,
    per,
    required: config.required ?? false,
    mode,
    thresholds: [...new Set(config.thresholds ?? (mode === 'warn' ? [50, 80, 100] : []))].sort(
      (one, other) => one - other,
    ),
    onFailure: config.onFailure ?? defaultFailurePolicy(config),
    throttleMs: config.throttleMs ?? 0,
    status: config.status ?? 402,
    models: config.models,
  };
}

/** The ledger key of a limit for a request; undefined when the limit does not apply to this request. */
export function limitKeyOf(limit: Limit, facts: SubjectFacts): string | undefined {
  if (limit.models && !matchesAny(limit.models, facts.model ?? '')) return undefined;
  return subjectKey(limit.prefix, limit.per, facts);
}

/**
 * The subject of a limit with `required` that a request lacks and must name to be admitted. Undefined when it lacks
 * nothing, when the limit does not require it, and when the limit is not for its model.
 */
export function missingSubjectOf(limit: Limit, facts: SubjectFacts): LimitSubject | undefined {
  if (!limit.required || (limit.models && !matchesAny(limit.models, facts.model ?? ''))) return undefined;
  return missingSubject(limit.per, facts);
}

const ofCaller: ReadonlySet<LimitSubject> = new Set([
  'organisation',
  'team',
  'project',
  'user',
  'key',
  'model',
]);

/** Whether the key of a limit is the same for all requests of one principal for one model, and may be cached. */
export function isKeyOfCaller({ per }: Limit): boolean {
  return per.every((subject) => ofCaller.has(subject));
}

/** The ledger key of a limit for a caller; undefined when the limit does not apply to this caller or model. */
export function scopeKeyOf(limit: Limit, principal: Principal, model: string): string | undefined {
  return limitKeyOf(limit, { principal, model });
}

/** Never -0, which a store could not keep. */
function toAmount(amount: number | string, unit: LimitUnit): number {
  return (unit === 'usd' ? toNanoUsd(amount) : Number(amount)) + 0;
}

function toCounting({ count, weights }: WrittenLimit): TokenCounting {
  if (count === undefined && weights === undefined) return everyToken;
  const { cached = 1, cacheWrite = 1, reasoning = 1 } = weights ?? {};
  return { count: count ?? 'total', cached, cacheWrite, reasoning };
}

// counting differently makes another count; weights that change nothing are left out
function unitId(unit: LimitUnit, { count, cached, cacheWrite, reasoning }: TokenCounting): string {
  const weights = [
    ...(count !== 'output' && cached !== 1 ? [`cached ${cached}`] : []),
    ...(count !== 'output' && cacheWrite !== 1 ? [`cacheWrite ${cacheWrite}`] : []),
    ...(count !== 'input' && reasoning !== 1 ? [`reasoning ${reasoning}`] : []),
  ];
  return [count === 'total' ? unit : `${count} ${unit}`, ...weights].join(' ');
}

function defaultFailurePolicy({ unit, mode, window }: WrittenLimit): FailurePolicy {
  if (mode !== 'block') return 'open';
  const isBudget = unit === 'usd' || (unit === 'tokens' && !isOfRate(window));
  return isBudget ? 'closed' : 'degraded';
}

/** Shorter than a day, and recurring. */
function isOfRate(window: WrittenLimit['window']): boolean {
  if (window === undefined) return true;
  const length = typeof window === 'object' && 'rolling' in window ? window.rolling : window;
  return typeof length === 'string' && length !== 'lifetime' && toDurationMs(length) < 86_400_000;
}
