import { randomBytes } from 'node:crypto';

/**
 * The world outside as the gateway sees it. Clock, randomness, ids and timers are taken from here and nowhere
 * else, so that tests run on a virtual one (`createVirtualRuntime` in `headgate/testing`).
 */
export interface Runtime {
  /** Wall clock, milliseconds since the epoch. For records and windows, never for measuring a duration. */
  now(): number;
  /** Monotonic clock, milliseconds with fractions. */
  monotonicMs(): number;
  /** Uniform in [0, 1). Not for secrets. */
  random(): number;
  /** Cryptographically strong bytes. */
  randomBytes(length: number): Uint8Array;
  /** A new request id: unique, URL-safe, at most 64 characters. */
  newId(): string;
  /** Runs `action` once after `delayMs`; the returned function cancels it. Keeps no process alive. */
  schedule(delayMs: number, action: () => void): () => void;
}

const idBytes = 12;

/** The runtime of the process: system clock, `Math.random`, node:crypto. */
export function createRuntime(): Runtime {
  let pool = Buffer.alloc(0);
  let used = 0;
  return {
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    random: () => Math.random(),
    randomBytes: (length) => randomBytes(length),
    newId() {
      // randomness drawn in blocks costs a tenth of what it costs drawn for each id
      if (used + idBytes > pool.length) {
        pool = randomBytes(256 * idBytes);
        used = 0;
      }
      used += idBytes;
      return `req_${pool.toString('hex', used - idBytes, used)}`;
    },
    schedule(delayMs, action) {
      const timer = setTimeout(action, Math.min(delayMs, 2_147_483_647));
      timer.unref?.();
      return () => clearTimeout(timer);
    },
  };
}
