import type { DialectFamily } from '../dialects/dialect.ts';
import type { HeaderMap } from '../message.ts';
import type { LedgerScope, LimitUnit, ScopeState } from './ledger.ts';
import type { Limit } from './limit.ts';

/**
 * The caller's own limits in the header fields its SDK knows: `x-ratelimit-*` (OpenAI, Gemini) or `anthropic-ratelimit-*`,
 * for requests and tokens, each from the scope with the least left. Budgets in money have no such field.
 */
export function limitHeaders(
  family: DialectFamily,
  limits: readonly Limit[],
  scopes: readonly LedgerScope[],
  states: readonly ScopeState[],
  warnings: readonly string[] | undefined,
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
    };
  }
  return {
    'x-ratelimit-limit-requests': limitOf(requests),
    'x-ratelimit-remaining-requests': remainingOf(requests),
    'x-ratelimit-limit-tokens': limitOf(tokens),
    'x-ratelimit-remaining-tokens': remainingOf(tokens),
    'x-headgate-warning': toWarning(warnings),
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
  return `${new Date(state.resetsAtMs).toISOString().slice(0, 19)}Z`;
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
