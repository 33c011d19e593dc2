import type { HeaderMap } from '../message.ts';

/** No wait is longer than a day, whatever a provider says. */
const mostMs = 86_400_000;

/**
 * How long a reply asks to wait, in milliseconds: `retry-after-ms`, or `retry-after` as seconds or as an HTTP date
 * (RFC 9110 §10.2.3). A past date or a negative number is 0; more than a day is a day. Anything else is undefined.
 */
export function readRetryAfterMs(headers: HeaderMap, nowMs: number): number | undefined {
  const precise = toMilliseconds(headers['retry-after-ms'], 1);
  if (precise !== undefined) return precise;
  const value = headers['retry-after'];
  const seconds = toMilliseconds(value, 1_000);
  if (seconds !== undefined) return seconds;
  if (typeof value !== 'string' || !/^[A-Z][a-z]{2},/.test(value)) return undefined;
  const wait = Date.parse(value) - nowMs;
  return Number.isNaN(wait) ? undefined : clamped(wait);
}

function toMilliseconds(value: HeaderMap[string], unit: number): number | undefined {
  if (typeof value !== 'string' || !/^-?\d{1,20}(\.\d{1,6})?$/.test(value)) return undefined;
  return clamped(Math.ceil(Number(value) * unit));
}

function clamped(waitMs: number): number {
  return Math.min(mostMs, Math.max(0, waitMs));
}
