import type { GatewayRequest } from '../message.ts';
import type { Runtime } from '../runtime.ts';
import type { RecordDraft } from '../telemetry/record.ts';
import type { Applied, LimitScope } from './apply.ts';
import type { ReserveResult, ScopeState } from './ledger.ts';
import type { Limit } from './limit.ts';
import { throttleFor, waitForRoom } from './wait-for-room.ts';

type Denied = Extract<ReserveResult, { kind: 'denied' }>;

/** What is asked of a request that waits. */
export interface WaitingRequest {
  readonly request: GatewayRequest;
  readonly record: RecordDraft;
  readonly runtime: Runtime;
}

/** Where requests wait for room in a limit that says so, up to a number of them. */
export class WaitingRoom {
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** How long a request that was denied is to wait before it asks again; undefined to be refused at once. */
  waitMs(
    { limits, scopes }: Applied,
    { deniedAt, scopes: states }: Denied,
    nowMs: number,
    record: RecordDraft,
  ): number | undefined {
    const limit = limits[deniedAt] as Limit;
    if (limit.throttleMs === 0 || this.#count >= this.#max) return undefined;
    const resetsAtMs = limit.window.resetsAtMs((scopes[deniedAt] as LimitScope).span);
    const waitedMs = record.throttledMs ?? 0;
    return throttleFor(limit, states[deniedAt] as ScopeState, resetsAtMs, nowMs, waitedMs);
  }

  /** Resolves after `waitMs`, and notes them. @throws GatewayError `caller_gone` when the caller leaves before */
  async wait(waitMs: number, { request, record, runtime }: WaitingRequest): Promise<void> {
    const beganAtMs = runtime.monotonicMs();
    this.#count++;
    try {
      await waitForRoom(waitMs, runtime, request);
    } finally {
      this.#count--;
      record.throttledMs = (record.throttledMs ?? 0) + runtime.monotonicMs() - beganAtMs;
    }
  }
}
