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

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';

/** The runtime of the process: system clock, `Math.random`, node:crypto. */
export function createRuntime(): Runtime {
  let pool = new Uint8Array(0);
  let used = 0;
  return {
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    random: () => Math.random(),
    randomBytes: (length) => randomBytes(length),
    newId() {
      // 20 characters of 5 bits; drawing the randomness in blocks costs a tenth of drawing it per id
      if (used + 20 > pool.length) {
        pool = randomBytes(4_000);
        used = 0;
      }
      let id = 'req_';
      for (let index = 0; index < 20; index++) id += alphabet[(pool[used + index] as number) & 31];
      used += 20;
      return id;
    },
    schedule(delayMs, action) {
      const timer = setTimeout(action, Math.min(delayMs, 2_147_483_647));
      timer.unref?.();
      return () => clearTimeout(timer);
    },
  };
}
