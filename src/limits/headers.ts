import type { DialectFamily } from '../dialects/dialect.ts';
import type { HeaderMap } from '../message.ts';
import type { LedgerScope, LimitUnit, ScopeState } from './ledger.ts';
import type { Limit } from './limit.ts';

/**
 * The caller's own limits in the header fields its SDK knows: `x-ratelimit-*` (OpenAI, Gemini) or `anthropic-ratelimit-*`,
 * for requests and tokens, each from the scope with the least left. Budgets in money have no such field.
 *
 * @param withoutLedger whether the limits were decided while their ledger could not be asked
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
  const requests = tightestOf('requests', limits, scopes, states);
  const tokens = tightestOf('tokens', limits, scopes, states);
  // literals, absent fields and all: objects of one shape, for everybody who goes through them afterwards
  if (family === 'anthropic') {
    return {
      'anthropic-ratelimit-requests-limit': limitOf(requests),
      'anthropic-ratelimit-requests-remaining': remainingOf(requests),
      'anthropic-ratelimit-requests-reset': resetOf(requests),
      'anthropic-ratelimit-tokens-limit': limitOf(tokens),
      'anthropic-ratelimit-tokens-remaining': remainingOf(tokens),
      'anthropic-ratelimit-tokens-reset': resetOf(tokens),
      'x-headgate-warning': toWarning(warnings),
      'x-headgate-degraded': withoutLedger ? 'limits' : undefined,
    };
  }
  return {
    'x-ratelimit-limit-requests': limitOf(requests),
    'x-ratelimit-remaining-requests': remainingOf(requests),
    'x-ratelimit-reset-requests': durationOf(requests, nowMs),
    'x-ratelimit-limit-tokens': limitOf(tokens),
    'x-ratelimit-remaining-tokens': remainingOf(tokens),
    'x-ratelimit-reset-tokens': durationOf(tokens, nowMs),
    'x-headgate-warning': toWarning(warnings),
    'x-headgate-degraded': withoutLedger ? 'limits' : undefined,
  };
}

function limitOf(state: Tightest | undefined): string | undefined {
  return state && String(state.amount);
}

function remainingOf(state: Tightest | undefined): string | undefined {
  return state && String(Math.max(0, state.amount - state.used - state.held));
}

function resetOf(state: Tightest | undefined): string | undefined {
  if (state?.resetsAtMs === undefined) return undefined;
  // in whole seconds, and never before it is so
  return `${new Date(Math.ceil(state.resetsAtMs / 1_000) * 1_000).toISOString().slice(0, 19)}Z`;
}

/** As OpenAI spells a duration: `1h2m3s`. */
function durationOf(state: Tightest | undefined, nowMs: number): string | undefined {
  if (state?.resetsAtMs === undefined || nowMs === 0) return undefined;
  const seconds = Math.max(0, Math.ceil((state.resetsAtMs - nowMs) / 1_000));
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

interface Tightest extends ScopeState {
  readonly resetsAtMs: number | undefined;
}

function tightestOf(
  unit: LimitUnit,
  limits: readonly Limit[],
  scopes: readonly LedgerScope[],
  states: readonly ScopeState[],
): Tightest | undefined {
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
  if (least < 0) return undefined;
  const { key, used, held, amount } = states[least] as ScopeState;
  const resetsAtMs = (limits[least] as Limit).window.resetsAtMs((scopes[least] as LedgerScope).span);
  return { key, used, held, amount, resetsAtMs };
}
