import { LRUCache } from 'lru-cache';
import type { HeaderMap } from '../message.ts';
import type { Runtime } from '../runtime.ts';
import { type Headroom, readHeadroom } from './headroom.ts';

/** What was observed of a candidate. */
export interface Observed {
  /** Attempts running now. */
  readonly inFlight: number;
  /** Mean time to the first token, weighted towards recent ones; undefined before the first. */
  readonly firstTokenMs: number | undefined;
  /** When an attempt was last timed, by the monotonic clock; undefined before that. */
  readonly lastSeenMs: number | undefined;
  /** Share left of the provider's rate limit, from 0 to 1; 1 if nothing is known, or what was known has expired. */
  readonly headroom: number;
}

/** Reports on one attempt. Each may be called late, twice or never; after `onEnd` nothing counts. */
export interface ObservedAttempt {
  /** The reply's status and headers, for any status: rate limits are read from them. */
  onHeaders(status: number, headers: HeaderMap): void;
  /** The first content of the reply, or its end if it is not a stream; only the first call counts. */
  onFirstToken(): void;
  /**
   * The attempt and its reply are over. `ok: false` is for failures of the candidate: they count as a slow first token.
   * A caller that left is not a failure.
   */
  onEnd(outcome: { readonly ok: boolean }): void;
}

/** What a gateway has observed of its candidates, for strategies. Bounded; one for each gateway. */
export interface Observations {
  /** An attempt at a candidate begins. */
  onStart(id: string): ObservedAttempt;
  /** By `Candidate.id`; one shared frozen object for unknown candidates. */
  of(id: string): Observed;
}

/** @param options.maxCandidates how many are remembered; the least recently used are dropped. @default 1_000 */
export function createObservations(
  runtime: Pick<Runtime, 'monotonicMs' | 'now'>,
  options: { readonly maxCandidates?: number } = {},
): Observations {
  const entries = new LRUCache<string, Entry>({ max: options.maxCandidates ?? 1_000 });
  return {
    onStart(id) {
      let entry = entries.get(id);
      if (!entry) {
        entry = new Entry(runtime);
        entries.set(id, entry);
      }
      return new Attempt(entry, runtime.monotonicMs());
    },
    of: (id) => entries.peek(id) ?? nothingSeen,
  };
}

const nothingSeen: Observed = Object.freeze({
  inFlight: 0,
  firstTokenMs: undefined,
  lastSeenMs: undefined,
  headroom: 1,
});

const unobserved: ObservedAttempt = Object.freeze({
  onHeaders: () => undefined,
  onFirstToken: () => undefined,
  onEnd: () => undefined,
});

/** Observes nothing: for pipelines that report no attempts. */
export const noObservations: Observations = Object.freeze({
  onStart: () => unobserved,
  of: () => nothingSeen,
});

/** Weight of the newest time in the mean. */
const newest = 0.2;

class Entry implements Observed {
  inFlight = 0;
  firstTokenMs: number | undefined;
  lastSeenMs: number | undefined;
  /** Attempts that began since the provider last reported what is left. */
  startedSince = 0;
  readonly runtime: Pick<Runtime, 'monotonicMs' | 'now'>;
  #left: Headroom | undefined;

  constructor(runtime: Pick<Runtime, 'monotonicMs' | 'now'>) {
    this.runtime = runtime;
  }

  get headroom(): number {
    return this.#left ? this.#left.shareAt(this.runtime.now(), this.startedSince) : 1;
  }

  noteTime(ms: number, nowMs: number): void {
    this.firstTokenMs =
      this.firstTokenMs === undefined ? ms : this.firstTokenMs + newest * (ms - this.firstTokenMs);
    this.lastSeenMs = nowMs;
  }

  noteHeaders(status: number, headers: HeaderMap): void {
    const left = readHeadroom(status, headers, this.runtime.now());
    if (!left) return;
    this.#left = left;
    this.startedSince = 0;
  }
}

class Attempt implements ObservedAttempt {
  readonly #entry: Entry;
  readonly #startedAtMs: number;
  #isFirst = true;
  #isOver = false;

  // holds its entry: one evicted meanwhile is not recreated with a count below zero
  constructor(entry: Entry, startedAtMs: number) {
    this.#entry = entry;
    this.#startedAtMs = startedAtMs;
    entry.inFlight++;
    entry.startedSince++;
  }

  onHeaders(status: number, headers: HeaderMap): void {
    if (!this.#isOver) this.#entry.noteHeaders(status, headers);
  }

  onFirstToken(): void {
    if (this.#isOver || !this.#isFirst) return;
    this.#isFirst = false;
    const nowMs = this.#entry.runtime.monotonicMs();
    this.#entry.noteTime(nowMs - this.#startedAtMs, nowMs);
  }

  onEnd({ ok }: { readonly ok: boolean }): void {
    if (this.#isOver) return;
    // a candidate that fails at once must not look fast
    if (!ok && this.#isFirst) {
      const nowMs = this.#entry.runtime.monotonicMs();
      const tookMs = Math.max(nowMs - this.#startedAtMs, 2 * (this.#entry.firstTokenMs ?? 0), failedMs);
      this.#entry.noteTime(tookMs, nowMs);
    }
    this.#isOver = true;
    this.#entry.inFlight--;
  }
}

/** The least that a failure counts. */
const failedMs = 5_000;
