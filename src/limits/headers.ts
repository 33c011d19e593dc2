import type { DialectFamily } from '../dialects/dialect.ts';
import type { HeaderMap } from '../message.ts';
import type { LedgerScope, ScopeState } from './ledger.ts';

/**
 * The caller's own limits in the header fields its SDK knows: `x-ratelimit-*` (OpenAI, Gemini) or `anthropic-ratelimit-*`,
 * for requests and tokens, each from the scope with the least left. Budgets in money have no such field.
 */
export function limitHeaders(
  family: DialectFamily,
  scopes: readonly LedgerScope[],
  states: readonly ScopeState[],
  warnings: readonly string[] | undefined,
): HeaderMap {
  const requests = tightestOf('requests', scopes, states);
  const tokens = tightestOf('tokens', scopes, states);
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

function limitOf(state: ScopeState | undefined): string | undefined {
  return state && String(state.amount);
}

function remainingOf(state: ScopeState | undefined): string | undefined {
  return state && String(Math.max(0, state.amount - state.used - state.held));
}

function resetOf(state: ScopeState | undefined): string | undefined {
  if (state?.resetsAtMs === undefined) return undefined;
  return `${new Date(state.resetsAtMs).toISOString().slice(0, 19)}Z`;
}

function toWarning(warnings: readonly string[] | undefined): string | undefined {
  return warnings
    ?.join('; ')
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 1_000);
}

function tightestOf(
  unit: string,
  scopes: readonly LedgerScope[],
  states: readonly ScopeState[],
): ScopeState | undefined {
  let tightest: ScopeState | undefined;
  for (let index = 0; index < scopes.length; index++) {
    const scope = scopes[index] as LedgerScope;
    const state = states[index];
    if (!state || scope.unit !== unit || scope.mode !== 'block') continue;
    if (!tightest || state.amount - state.used - state.held < tightest.amount - tightest.used - tightest.held)
      tightest = state;
  }
  return tightest;
}
