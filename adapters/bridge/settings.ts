import type { GatewayReply, GatewayRequest } from 'headgate';

/** The part of a gateway that adapters need. */
export interface GatewayHandler {
  /** Answers one request. Never rejects: whatever goes wrong is rendered as a reply in the caller's dialect. */
  handle(request: GatewayRequest): Promise<GatewayReply>;
}

/** Bounds of every adapter. */
export interface AdapterLimits {
  /** Header lines a request may have; more are answered with 400. @default 200 */
  readonly maxHeaders?: number;
  /** Milliseconds from the first read of the body until its last byte; then 408. @default 30_000 */
  readonly bodyTimeoutMs?: number;
}

/** Bounds of the adapters that write to a socket themselves. */
export interface NodeLimits extends AdapterLimits {
  /** Milliseconds a reply may wait for a caller who does not read; then the connection is destroyed. @default 60_000 */
  readonly writeTimeoutMs?: number;
  /**
   * Milliseconds to go on reading, and discarding, what a caller still sends after a refusal, so that the
   * refusal is not lost in a connection reset. @default 2_000
   */
  readonly discardTimeoutMs?: number;
  /** Most bytes to discard before closing the connection of a caller who still sends. @default 33_554_432 */
  readonly maxDiscardBytes?: number;
}

const defaults = {
  maxHeaders: 200,
  bodyTimeoutMs: 30_000,
  writeTimeoutMs: 60_000,
  discardTimeoutMs: 2_000,
  maxDiscardBytes: 32 * 1024 * 1024,
} as const satisfies NodeLimits;

const longestTimerMs = 2_147_483_647;

/** The options with their defaults, checked once and not per request. @throws TypeError naming the option */
export function toLimits(options: NodeLimits): Required<NodeLimits> {
  const limits = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof NodeLimits)[]) {
    const value: number = options[name] ?? defaults[name];
    if (!Number.isSafeInteger(value) || value < 1 || (name.endsWith('Ms') && value > longestTimerMs)) {
      throw new TypeError(`Option "${name}" must be a whole number from 1 to 2147483647, not ${value}.`);
    }
    Object.assign(limits, { [name]: value });
  }
  return limits;
}

/** @throws TypeError for anything other than a gateway */
export function assertGateway(gateway: GatewayHandler): void {
  if (typeof gateway?.handle !== 'function') {
    throw new TypeError('The first argument must be a gateway: an object with a handle() method.');
  }
}
