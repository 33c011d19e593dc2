import type { DialectFamily } from '../dialects/dialect.ts';
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
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const unit of ['requests', 'tokens'] as const) {
    const tightest = tightestOf(unit, scopes, states);
    if (!tightest) continue;
    const remaining = String(Math.max(0, tightest.amount - tightest.used - tightest.held));
    if (family === 'anthropic') {
      headers[`anthropic-ratelimit-${unit}-limit`] = String(tightest.amount);
      headers[`anthropic-ratelimit-${unit}-remaining`] = remaining;
      if (tightest.resetsAtMs !== undefined) {
        headers[`anthropic-ratelimit-${unit}-reset`] =
          `${new Date(tightest.resetsAtMs).toISOString().slice(0, 19)}Z`;
      }
    } else {
      headers[`x-ratelimit-limit-${unit}`] = String(tightest.amount);
      headers[`x-ratelimit-remaining-${unit}`] = remaining;
    }
  }
  if (warnings)
    headers['x-headgate-warning'] = warnings
      .join('; ')
      .replace(/[^\x20-\x7e]/g, '?')
      .slice(0, 1_000);
  return headers;
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
