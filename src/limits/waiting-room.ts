import type { GatewayRequest } from '../message.ts';
import type { Runtime } from '../runtime.ts';
import type { RecordDraft } from '../telemetry/record.ts';
import type { Applied, LimitScope } from './apply.ts';
import type { ReserveResult, ScopeState } from './ledger.ts';
import type { Limit } from './limit.ts';
import { throttleFor, waitForRoom } from './wait-for-room.ts';

type Denied = Extract<ReserveResult, { kind: 'denied' }>;

/** What waiting needs of a request. */
export interface WaitingRequest {
  readonly request: GatewayRequest;
  readonly record: RecordDraft;
  readonly runtime: Runtime;
}

/** Where requests wait for room in a limit with `throttleMs`, up to a maximum number. */
export class WaitingRoom {
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** How long a denied request is to wait before it asks again; undefined to refuse it at once. */
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

  /** Resolves after `waitMs`, and records the wait. @throws GatewayError `caller_gone` when the caller leaves first */
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
