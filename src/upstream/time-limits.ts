import type { Arrival, Received, Routed } from '../context.ts';
import type { HeaderMap } from '../message.ts';

const mostMs = 2_147_483_647;

/** How long a request may take. */
export interface TimeLimits {
  /** All of it, including its reply. Undefined: unbounded. */
  readonly totalMs: number | undefined;
  /** Until its reply begins, when that is less. */
  readonly beginMs: number | undefined;
}

const unbounded: TimeLimits = { totalMs: undefined, beginMs: undefined };

/**
 * How long a request may take: the plan's time or the caller's, whichever is less. A caller sets it in
 * `x-headgate-timeout-ms`, or as the official libraries do: Google's in `x-server-timeout`, in seconds; OpenAI's and
 * Anthropic's in `x-stainless-timeout`, in seconds, which they measure until a stream begins.
 */
export function timeLimitsOf({
  request: { headers },
  plan: { forwarding },
  call,
}: Pick<Arrival, 'request'> & Pick<Received, 'call'> & Routed): TimeLimits {
  const { totalMs } = forwarding.timeouts;
  const own = numberIn(headers, 'x-headgate-timeout-ms', 1);
  const google = numberIn(headers, 'x-server-timeout', 1_000);
  const stainless = numberIn(headers, 'x-stainless-timeout', 1_000);
  if (own === undefined && google === undefined && stainless === undefined) {
    return totalMs === undefined ? unbounded : { totalMs, beginMs: undefined };
  }
  // a stream held until whole begins with a comment, and more of them keep its caller waiting
  const isHeld = call.stream && forwarding.commit === 'complete';
  const total = least(totalMs, own, google, call.stream ? undefined : stainless);
  const begin = call.stream && !isHeld ? stainless : undefined;
  return { totalMs: total, beginMs: begin !== undefined && begin < (total ?? mostMs) ? begin : undefined };
}

/** An invalid value counts as absent. */
function numberIn(headers: HeaderMap, name: string, factor: number): number | undefined {
  const value = headers[name];
  if (typeof value !== 'string' || !/^[1-9]\d{0,11}$/.test(value)) return undefined;
  return Math.min(Number(value) * factor, mostMs);
}

function least(...limits: readonly (number | undefined)[]): number | undefined {
  const known = limits.filter((limit) => limit !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}
