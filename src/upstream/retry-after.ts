import type { HeaderMap } from '../message.ts';

/**
 * How long a reply asks to wait, in milliseconds: `retry-after-ms`, or `retry-after` as seconds or as an HTTP date
 * (RFC 9110 §10.2.3). What is not one of these, negative, or further than a day away, is no answer: undefined.
 */
export function readRetryAfterMs(headers: HeaderMap, nowMs: number): number | undefined {
  const precise = toMilliseconds(headers['retry-after-ms'], 1);
  if (precise !== undefined) return precise;
  const value = headers['retry-after'];
  const seconds = toMilliseconds(value, 1_000);
  if (seconds !== undefined) return seconds;
  if (typeof value !== 'string' || !/^[A-Z][a-z]{2},/.test(value)) return undefined;
  const wait = Date.parse(value) - nowMs;
  return Number.isNaN(wait) || wait > 86_400_000 ? undefined : Math.max(0, wait);
}

function toMilliseconds(value: HeaderMap[string], unit: number): number | undefined {
  if (typeof value !== 'string' || !/^\d{1,9}(\.\d{1,6})?$/.test(value)) return undefined;
  const wait = Math.ceil(Number(value) * unit);
  return wait > 86_400_000 ? undefined : wait;
}
