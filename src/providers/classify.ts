import type { ProviderFailure } from './provider.ts';

/** OpenAI's and Anthropic's error codes for an empty account rather than a busy minute. */
const quotaCodes = new Set([
  'insufficient_quota',
  'billing_hard_limit',
  'billing_hard_limit_reached',
  'billing_not_active',
  'billing_error',
  'enforced_spend_limit_reached',
  'contract_spend_limit_reached',
]);

const contentCodes = new Set(['content_filter', 'content_policy_violation', 'moderation_blocked']);

const quotaText = /credit balance is too low|exceeded your current quota|billing (?:hard )?limit/i;
const contextText =
  /maximum context length|context[_ ]length[_ ]exceeded|prompt is too long|exceed\w* (?:the )?context (?:window|limit)|input token count .{0,40}exceeds the maximum|exceeds the (?:model's )?(?:available )?context (?:size|window|length)/i;
const contentText = /blocked by (?:our )?content (?:filter|management)|content filtering policy/i;

/** Statuses for errors that the caller must fix. */
const callersStatuses = new Set([400, 404, 405, 406, 410, 411, 413, 414, 415, 416, 422, 424, 428, 431, 451]);

/** A provider's error apart from its status. */
export interface ErrorFacts {
  /** Codes and types of the error. */
  readonly codes?: readonly unknown[];
  /** Its text: for several providers, only this tells a full context window from another bad request. */
  readonly message?: unknown;
}

/** Classifies a status with its facts, for providers that use HTTP statuses in the usual way. */
export function classifyStatus(status: number, { codes = [], message }: ErrorFacts = {}): ProviderFailure {
  const text = typeof message === 'string' ? message.slice(0, 2_000) : '';
  const isOneOf = (known: ReadonlySet<string>) =>
    codes.some((code) => typeof code === 'string' && known.has(code));
  if (status === 402 || isOneOf(quotaCodes)) return { kind: 'quota' };
  if ((status === 400 || status === 403) && quotaText.test(text)) return { kind: 'quota' };
  if (status === 401 || status === 403) return { kind: 'credential' };
  if (status === 429) return { kind: 'rate_limited' };
  if (status === 503 || status === 529) return { kind: 'overloaded' };
  if (!callersStatuses.has(status)) return { kind: 'server_error' };
  if (codes.includes('context_length_exceeded') || contextText.test(text))
    return { kind: 'context_too_long' };
  if (isOneOf(contentCodes) || contentText.test(text)) return { kind: 'content_refused' };
  return { kind: 'bad_request' };
}

/** The error in a provider's reply; Google gives a list of one for streams and in OpenAI's API. */
export function errorOf(body: unknown): unknown {
  return memberOf(Array.isArray(body) ? body[0] : body, 'error');
}

/** A member of a parsed JSON value of any type, or undefined. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
