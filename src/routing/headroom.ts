import type { HeaderMap } from '../message.ts';

/** What a provider's rate limits leave, as its last reply told. */
export interface Headroom {
  /**
   * The share that is left of the tightest limit, from 0 to 1.
   *
   * @param nowMs milliseconds since the epoch
   * @param startedSince requests sent since the reply that told
   */
  shareAt(nowMs: number, startedSince: number): number;
}

interface Left {
  readonly limit: number;
  readonly remaining: number;
  /** From here on it says nothing. */
  readonly resetAtMs: number;
  readonly counts: 'requests' | 'tokens';
}

/** The kinds that providers tell of, in the spellings of OpenAI and those like it, and of Anthropic. */
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

/** How long what is told counts where it names no end, or one that cannot be read. */
const unknownResetMs = 60_000;
const longestResetMs = 86_400_000;

/**
 * Reads what is left of a provider's rate limits. Undefined for a reply that tells nothing; a 429 that tells nothing
 * has nothing left.
 */
export function readHeadroom(status: number, headers: HeaderMap, nowMs: number): Headroom | undefined {
  const found: Left[] = [];
  for (const { counts, limit, remaining, reset } of names) {
    const most = toCount(headers[limit]);
    // nearly always: a provider has one spelling, and many tell nothing
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

/** A duration as OpenAI spells it (`6m0s`, `120ms`), seconds, or an instant: as Anthropic does, or since the epoch. */
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
