import type { DialectFamily } from '../dialects/dialect.ts';
import type { HeaderMap } from '../message.ts';
import type { LedgerScope, LimitUnit, ScopeState } from './ledger.ts';
import type { Limit } from './limit.ts';

/**
 * The caller's own limits in the header fields its SDK knows: `x-ratelimit-*` (OpenAI, Gemini) or `anthropic-ratelimit-*`,
 * for requests and tokens, each from the scope with the least left. Budgets in money have no such field.
 *
 * @param withoutLedger whether the limits were decided while their ledger was unavailable
 * @param nowMs what OpenAI's resets, which are durations, are counted from. @default 0: they are left out
 */
export function limitHeaders(
  family: DialectFamily,
  limits: readonly Limit[],
  scopes: readonly LedgerScope[],
  states: readonly ScopeState[],
  warnings: readonly string[] | undefined,
  nowMs = 0,
  withoutLedger = false,
): HeaderMap {
  const inDurations = family !== 'anthropic';
  const requests = tell('requests', limits, scopes, states, nowMs, inDurations);
  const tokens = tell('tokens', limits, scopes, states, nowMs, inDurations);
  // literals with all fields, absent ones too: objects of one shape for whatever iterates over them later
  if (family === 'anthropic') {
    return {
      'anthropic-ratelimit-requests-limit': requests.limit,
      'anthropic-ratelimit-requests-remaining': requests.remaining,
      'anthropic-ratelimit-requests-reset': requests.reset,
      'anthropic-ratelimit-tokens-limit': tokens.limit,
      'anthropic-ratelimit-tokens-remaining': tokens.remaining,
      'anthropic-ratelimit-tokens-reset': tokens.reset,
      'x-headgate-warning': toWarning(warnings),
      'x-headgate-degraded': withoutLedger ? 'limits' : undefined,
    };
  }
  return {
    'x-ratelimit-limit-requests': requests.limit,
    'x-ratelimit-remaining-requests': requests.remaining,
    'x-ratelimit-reset-requests': requests.reset,
    'x-ratelimit-limit-tokens': tokens.limit,
    'x-ratelimit-remaining-tokens': tokens.remaining,
    'x-ratelimit-reset-tokens': tokens.reset,
    'x-headgate-warning': toWarning(warnings),
    'x-headgate-degraded': withoutLedger ? 'limits' : undefined,
  };
}

/** The three fields of a unit. */
interface Told {
  readonly limit: string | undefined;
  readonly remaining: string | undefined;
  readonly reset: string | undefined;
}

const nothing: Told = { limit: undefined, remaining: undefined, reset: undefined };

/** Of the scope that has the least left of a unit. */
function tell(
  unit: LimitUnit,
  limits: readonly Limit[],
  scopes: readonly LedgerScope[],
  states: readonly ScopeState[],
  nowMs: number,
  inDurations: boolean,
): Told {
  let least = -1;
  let leastLeft = Number.POSITIVE_INFINITY;
  for (let index = 0; index < limits.length; index++) {
    const limit = limits[index] as Limit;
    const state = states[index];
    if (!state || limit.unit !== unit || limit.mode !== 'block') continue;
    const left = state.amount - state.used - state.held;
    if (left >= leastLeft) continue;
    least = index;
    leastLeft = left;
  }
  if (least < 0) return nothing;
  const { window } = limits[least] as Limit;
  const resetsAtMs = window.resetsAtMs((scopes[least] as LedgerScope).span);
  let reset: string | undefined;
  if (resetsAtMs !== undefined && !inDurations) reset = toTime(resetsAtMs);
  else if (resetsAtMs !== undefined && nowMs > 0) reset = toDuration(resetsAtMs - nowMs);
  return {
    limit: String((states[least] as ScopeState).amount),
    remaining: String(Math.max(0, leastLeft)),
    reset,
  };
}

/** RFC 3339 in whole seconds, rounded up: never too early. */
function toTime(ms: number): string {
  return `${new Date(Math.ceil(ms / 1_000) * 1_000).toISOString().slice(0, 19)}Z`;
}

/** As OpenAI spells a duration: `1h2m3s`. */
function toDuration(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}m${seconds % 60}s`
    : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds % 60}s`;
}

function toWarning(warnings: readonly string[] | undefined): string | undefined {
  return warnings
    ?.join('; ')
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 1_000);
}
