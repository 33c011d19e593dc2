import type { Arrival, Authorized, Identified, Received } from '../context.ts';
import { type Applied, concernOf, type Limited, toScopes } from '../limits/apply.ts';
import { estimateUsage } from '../limits/estimate.ts';
import { refuseEnded } from '../limits/refusals.ts';
import type { RunScope, Runs } from '../limits/run.ts';
import { runOf } from '../limits/run-of.ts';
import { billingOf } from '../routing/billing.ts';

type Context = Arrival & Identified & Received & Authorized;

/** Runs as callers name them; none has a budget of its own. */
export const namedRuns: Pick<Runs, 'read'> = {
  read(headers) {
    const id = runOf(headers);
    return id === undefined ? undefined : { id };
  },
};

/** The run that a request is part of: what the host says, else what the caller says. */
export function runScopeOf(
  { hostRun, request }: Pick<Context, 'hostRun' | 'request'>,
  runs: Pick<Runs, 'read'>,
): RunScope | undefined {
  return hostRun ?? runs.read(request.headers);
}

/** What limits need to know of a request; notes its run. @throws GatewayError `budget_exceeded` if that run was ended */
export function toLimited(context: Context, runs: Pick<Runs, 'read'>): Limited {
  const { policy, principal, metadata, request, call, model, record } = context;
  const run = runScopeOf(context, runs);
  if (run) record.run = run.id;
  if (run?.isEnded?.()) refuseEnded();
  const isOwn = billingOf({ policy, endpoint: call.endpoint }) === 'passthrough';
  return { policy, principal, metadata, request, call, model, run, isOwn };
}

/** Which limits apply to a request, and how much of each it would hold: for `explain`. */
export function limitsFor(context: Context, nowMs: number, runs: Pick<Runs, 'read'> = namedRuns): Applied {
  const { call, model } = context;
  const { limits, keys } = concernOf(toLimited(context, runs));
  return { limits, scopes: toScopes(limits, keys, estimateUsage(call, model), model?.price, nowMs) };
}
