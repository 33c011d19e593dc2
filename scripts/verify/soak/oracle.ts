/** A time in which an upstream was up, by the clock of the process. */
export interface UpTime {
  readonly upstream: number;
  readonly fromMs: number;
  /** `Infinity` while it lasts. */
  untilMs: number;
}

/**
 * What a perfect router could have reached: one that knows at every instant which upstream is up, and waits for one where
 * none is. A request could have succeeded if, at any instant from its arrival until its deadline, some upstream was up.
 *
 * It is more than any real router can do, since a reply takes time and an upstream may fall while it answers.
 */
export class Oracle {
  readonly #times: UpTime[] = [];

  /** Notes that an upstream is up from now on, or that it is not any more. */
  note(upstream: number, isUp: boolean, atMs: number): void {
    const last = this.#times.findLast((time) => time.upstream === upstream);
    if (last && last.untilMs === Number.POSITIVE_INFINITY) last.untilMs = atMs;
    if (isUp) this.#times.push({ upstream, fromMs: atMs, untilMs: Number.POSITIVE_INFINITY });
  }

  /** Whether a request that arrived then could have succeeded. */
  isPossible(arrivedMs: number, deadlineMs: number): boolean {
    return this.#times.some(({ fromMs, untilMs }) => fromMs <= arrivedMs + deadlineMs && untilMs > arrivedMs);
  }
}
