import type { HeaderMap } from '../message.ts';

/** What is left of a provider's rate limits, as of its last reply. */
export interface Headroom {
  /**
   * The share left of the tightest limit, from 0 to 1.
   *
   * @param nowMs milliseconds since the epoch
   * @param startedSince requests sent since that reply
   */
  shareAt(nowMs: number, startedSince: number): number;
}

interface Left {
  readonly limit: number;
  readonly remaining: number;
  /** From here on it no longer counts. */
  readonly resetAtMs: number;
  readonly counts: 'requests' | 'tokens';
}

/** The kinds that providers report, as spelt by OpenAI and the like, and by Anthropic. */
const kinds = [
  ['requests', 'x-ratelimit-', '-requests'],
  ['tokens', 'x-ratelimit-', '-tokens'],
  ['requests', 'anthropic-ratelimit-requests-', ''],
  ['tokens', 'anthropic-ratelimit-tokens-', ''],
  ['tokens', 'anthropic-ratelimit-input-tokens-', ''],
  ['tokens', 'anthropic-ratelimit-output-tokens-', ''],
] as const;

const names = kinds.map(([counts, before, after]) => ({
  counts,
  limit: `${before}limit${after}`,
  remaining: `${before}remaining${after}`,
  reset: `${before}reset${after}`,
}));

/** How long a report counts if its end is missing or unreadable. */
const unknownResetMs = 60_000;
const longestResetMs = 86_400_000;

/**
 * Reads what is left of a provider's rate limits. Undefined for a reply that does not report it; a 429 that does not
 * has nothing left.
 */
export function readHeadroom(status: number, headers: HeaderMap, nowMs: number): Headroom | undefined {
  const found: Left[] = [];
  for (const { counts, limit, remaining, reset } of names) {
    const most = toCount(headers[limit]);
    // nearly always: a provider has one spelling, and many report nothing
    if (most === undefined || most === 0) continue;
    const left = toCount(headers[remaining]);
    if (left === undefined) continue;
    found.push({ counts, limit: most, remaining: left, resetAtMs: toResetMs(headers[reset], nowMs) });
  }
  if (found.length === 0) {
    if (status !== 429) return undefined;
    found.push({ counts: 'requests', limit: 1, remaining: 0, resetAtMs: nowMs + unknownResetMs });
  }
  return {
    shareAt(nowMs, startedSince) {
      let least = 1;
      for (const { counts, limit, remaining, resetAtMs } of found) {
        if (nowMs >= resetAtMs) continue;
        const left = counts === 'requests' ? remaining - startedSince : remaining;
        least = Math.min(least, Math.max(0, left / limit));
      }
      return least;
    },
  };
}

function toCount(value: HeaderMap[string]): number | undefined {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/** OpenAI's form of a duration (`6m0s`, `120ms`), seconds, or an instant: in Anthropic's form, or since the epoch. */
function toResetMs(value: HeaderMap[string], nowMs: number): number {
  const unknown = nowMs + unknownResetMs;
  if (typeof value !== 'string' || value.length > 64) return unknown;
  if (/^\d{1,15}(\.\d+)?$/.test(value)) {
    const number = Number(value);
    const instantMs = number > 1e11 ? number : number > 1e9 ? number * 1_000 : nowMs + number * 1_000;
    return Math.min(instantMs, nowMs + longestResetMs);
  }
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  if (parts.length > 0 && parts.map(([text]) => text).join('') === value) {
    const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unitMs[unit ?? ''] ?? 0), 0);
    return nowMs + Math.min(ms, longestResetMs);
  }
  const instant = Date.parse(value);
  return Number.isNaN(instant) ? unknown : Math.min(instant, nowMs + longestResetMs);
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
