import type { Snapshot } from './config/snapshot.ts';
import type { Arrival, Authorized, Identified, Received, Reserved, Routed } from './context.ts';
import type { Endpoint } from './dialects/endpoint.ts';
import type { RunScope } from './limits/run.ts';
import type { GatewayRequest } from './message.ts';
import type { Runtime } from './runtime.ts';
import type { Accounted, HeldUpstream } from './stages/rate-limit.ts';
import { createDraft } from './telemetry/record.ts';

type DefaultFacts = Identified & Received & Authorized & Reserved & Accounted & HeldUpstream & Routed;

/** What a run begins with, with a property for each fact that stages add: so all contexts of a run have one shape. */
export function toArrival(
  id: string,
  request: GatewayRequest,
  endpoint: Endpoint,
  snapshot: Snapshot,
  runtime: Runtime,
  hostRun: RunScope | undefined,
): Arrival {
  // one literal: copying another object's fields is a call into the runtime
  const run: Arrival & Record<keyof DefaultFacts, undefined> = {
    id,
    request,
    endpoint,
    snapshot,
    runtime,
    hostRun,
    arrivedAtMs: runtime.monotonicMs(),
    record: createDraft(),
    principal: undefined,
    policy: undefined,
    metadata: undefined,
    call: undefined,
    model: undefined,
    limitHeaders: undefined,
    limitStates: undefined,
    account: undefined,
    upstreamHolds: undefined,
    plan: undefined,
  };
  return run;
}
