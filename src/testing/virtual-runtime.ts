import type { Runtime } from '../runtime.ts';

/** Options of `createVirtualRuntime`. */
export interface VirtualRuntimeOptions {
  /** Wall clock at the start, milliseconds since the epoch. @default 2030-01-01T00:00:00Z */
  readonly now?: number;
  /** Seed of everything random: the same seed gives the same bytes in the same order. @default 1 */
  readonly seed?: number;
  /** Most actions that one advance fires before it throws, to stop a loop that schedules itself. @default 100_000 */
  readonly maxActions?: number;
}

/** A `Runtime` whose time stands still until a test moves it. */
export interface VirtualRuntime extends Runtime {
  /** Scheduled actions that were neither fired nor cancelled. */
  readonly pending: number;
  /**
   * Moves both clocks forward by `ms` and fires the actions that fall due, each at its own instant, in order of time
   * and then of scheduling, including due ones that actions schedule. Synchronous: reactions to promises that an
   * action settles have not run when the next action fires. Throws what an action throws.
   */
  advance(ms: number): void;
  /** Like `advance`, with an event loop turn before, between and after the actions, so that promises can react. */
  advanceAsync(ms: number): Promise<void>;
  /** Moves only the wall clock, forwards or backwards, as an administrator or a bad time server does. */
  shiftClock(ms: number): void;
}

interface Scheduled {
  readonly dueMs: number;
  readonly action: () => void;
}

/**
 * A deterministic world for tests: clocks that only `advance` moves, random numbers and ids from a seed.
 * Never use it outside tests: `randomBytes` is predictable.
 *
 * @throws TypeError when `now`, `seed` or `maxActions` is not a usable number
 */
export function createVirtualRuntime(options: VirtualRuntimeOptions = {}): VirtualRuntime {
  const { now = Date.UTC(2030, 0, 1), seed = 1, maxActions = 100_000 } = options;
  if (!Number.isFinite(now)) throw new TypeError('createVirtualRuntime: "now" must be a finite number.');
  if (!Number.isSafeInteger(seed)) throw new TypeError('createVirtualRuntime: "seed" must be an integer.');
  if (!(maxActions >= 1)) throw new TypeError('createVirtualRuntime: "maxActions" must be at least 1.');

  // separate, so that a test's keys do not depend on how much jitter was drawn before them
  const numbers = createGenerator(seed);
  const bytes = createGenerator(seed ^ 0x5bd1e995);
  let wallOffsetMs = now;
  let elapsedMs = 0;
  let ids = 0;
  const queue: Scheduled[] = [];

  const takeDue = (untilMs: number): Scheduled | undefined => {
    const first = queue[0];
    return first !== undefined && first.dueMs <= untilMs ? queue.shift() : undefined;
  };
  const fire = (scheduled: Scheduled, fired: number): void => {
    if (fired > maxActions) throw new Error(`More than ${maxActions} actions in one advance: a loop?`);
    elapsedMs = scheduled.dueMs;
    scheduled.action();
  };
  const targetOf = (ms: number): number => {
    if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY)) throw new TypeError('advance: "ms" must be 0 or more.');
    return elapsedMs + ms;
  };

  return {
    now: () => wallOffsetMs + Math.floor(elapsedMs),
    monotonicMs: () => elapsedMs,
    random: () => numbers() / 0x1_0000_0000,
    randomBytes: (length) => Uint8Array.from({ length }, () => bytes() >>> 24),
    newId: () => `req_${(++ids).toString(36).padStart(20, '0')}`,
    schedule(delayMs, action) {
      const scheduled = { dueMs: elapsedMs + Math.max(0, delayMs), action };
      const later = queue.findIndex((other) => other.dueMs > scheduled.dueMs);
      queue.splice(later === -1 ? queue.length : later, 0, scheduled);
      return () => {
        const index = queue.indexOf(scheduled);
        if (index !== -1) queue.splice(index, 1);
      };
    },
    get pending() {
      return queue.length;
    },
    advance(ms) {
      const targetMs = targetOf(ms);
      let fired = 0;
      for (let due = takeDue(targetMs); due; due = takeDue(targetMs)) fire(due, ++fired);
      elapsedMs = targetMs;
    },
    async advanceAsync(ms) {
      const targetMs = targetOf(ms);
      let fired = 0;
      await turn();
      for (let due = takeDue(targetMs); due; due = takeDue(targetMs)) {
        fire(due, ++fired);
        await turn();
      }
      elapsedMs = targetMs;
      await turn();
    },
    shiftClock(ms) {
      wallOffsetMs += ms;
    },
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** mulberry32: four lines, 32 bits a call, passes the tests that matter for spreading load. */
function createGenerator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
