import type { Call } from './call.ts';
import type { Model, Policy, Snapshot } from './config/snapshot.ts';
import type { Endpoint } from './dialects/endpoint.ts';
import type { LimitStates } from './limits/limit-states.ts';
import type { RunScope } from './limits/run.ts';
import type { GatewayRequest, HeaderMap } from './message.ts';
import type { Metadata } from './metadata.ts';
import type { Principal } from './principal.ts';
import type { Plan } from './routing/plan.ts';
import type { Runtime } from './runtime.ts';
import type { RecordDraft } from './telemetry/record.ts';

/** What every run of the pipeline begins with. */
export interface Arrival {
  /** Id of the request; in every reply, record and span. */
  readonly id: string;
  readonly request: GatewayRequest;
  readonly endpoint: Endpoint;
  /** The configuration that decides this request, to its end. */
  readonly snapshot: Snapshot;
  readonly runtime: Runtime;
  /** The agent run that the host application says the request is part of; its header is then ignored. */
  readonly hostRun?: RunScope | undefined;
  /** When the request arrived, by the monotonic clock. */
  readonly arrivedAtMs: number;
  /** The record in the making: stages note in it what they decided, `attribute` finishes it. */
  readonly record: RecordDraft;
}

/** Added by `resolveKey`. */
export interface Identified {
  readonly principal: Principal;
  /** What organisation, team, project, user and key together permit. */
  readonly policy: Policy;
  /** What the request says about itself in `x-headgate-metadata`. */
  readonly metadata: Metadata;
}

/** Added by `readCall`. */
export interface Received {
  readonly call: Call;
}

/** Added by `authorizeModel`. */
export interface Authorized {
  /** Undefined for calls that name no model. */
  readonly model: Model | undefined;
}

/** Added by `rateLimit`. */
export interface Reserved {
  /** Header fields that tell the caller about its limits; sent with the reply. */
  readonly limitHeaders: HeaderMap;
  /** How full the limits of the request are, for choosing targets by it. */
  readonly limitStates: LimitStates;
}

/** Added by `route`. */
export interface Routed {
  readonly plan: Plan;
}
