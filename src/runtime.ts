import { randomBytes } from 'node:crypto';
import { perfHooks } from './built-in.ts';

// the global of this name is a getter, which costs a fifth of the call
const { performance } = perfHooks;

/**
 * The outside world as the gateway sees it. Clock, randomness, ids and timers are taken from here and nowhere
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
const idLength = 4 + 2 * idBytes;
const idsInBlock = 256;

/** The runtime of the process: system clock, `Math.random`, node:crypto. */
export function createRuntime(): Runtime {
  let ids: Buffer = Buffer.alloc(0);
  let used = 0;
  return {
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    random: () => Math.random(),
    randomBytes: (length) => randomBytes(length),
    newId() {
      // Randomness drawn in blocks costs a tenth of what it costs per id. And an id read from a buffer is one flat
      // string; a concatenation of two is a pair that every look-up has to join first.
      if (used === ids.length) {
        ids = createIds();
        used = 0;
      }
      used += idLength;
      return ids.toString('latin1', used - idLength, used);
    },
    schedule(delayMs, action) {
      const timer = setTimeout(action, Math.min(delayMs, 2_147_483_647));
      timer.unref?.();
      return () => clearTimeout(timer);
    },
  };
}

function createIds(): Buffer {
  const hex = randomBytes(idsInBlock * idBytes).toString('hex');
  const ids = Array.from({ length: idsInBlock }, (_, index) =>
    hex.slice(index * 2 * idBytes, (index + 1) * 2 * idBytes),
  );
  return Buffer.from(`req_${ids.join('req_')}`, 'latin1');
}
