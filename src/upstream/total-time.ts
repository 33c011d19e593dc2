import type { Arrival, Routed } from '../context.ts';

const header = 'x-headgate-timeout-ms';
const mostMs = 2_147_483_647;

/**
 * How long the whole request may take: what the plan says, and what the caller says in `x-headgate-timeout-ms`, whichever
 * is less. Undefined when neither does.
 */
export function totalMsOf({ request, plan }: Pick<Arrival, 'request'> & Routed): number | undefined {
  const ownMs = plan.forwarding.timeouts.totalMs;
  const asked = request.headers[header];
  if (asked === undefined) return ownMs;
  // a caller who asks for nonsense has asked for nothing
  if (typeof asked !== 'string' || !/^[1-9]\d{0,11}$/.test(asked)) return ownMs;
  return Math.min(ownMs ?? mostMs, Number(asked), mostMs);
}
