import type { ProviderFailure } from './provider.ts';

/** Error codes that mean an empty account rather than a busy minute, as OpenAI and Anthropic spell them. */
const quotaCodes = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'billing_error',
  'enforced_spend_limit_reached',
  'contract_spend_limit_reached',
]);

/** What a status and the codes beside it mean, for providers that use HTTP statuses as everybody does. */
export function classifyStatus(status: number, codes: readonly unknown[] = []): ProviderFailure {
  if (status === 402 || codes.some((code) => typeof code === 'string' && quotaCodes.has(code)))
    return { kind: 'quota' };
  if (status === 401 || status === 403) return { kind: 'credential' };
  if (status === 429) return { kind: 'rate_limited' };
  if (status === 503 || status === 529) return { kind: 'overloaded' };
  if (status >= 500 || status === 408 || status === 409) return { kind: 'server_error' };
  return { kind: 'bad_request' };
}

/** A member of a parsed JSON value, or undefined whatever the value is. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
