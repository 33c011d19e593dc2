import { type Linked, LinkedQueue } from '../linked-queue.ts';
import type { Runtime } from '../runtime.ts';

/** Something that must not take longer than a time; it has only one time. */
export interface Watched extends Linked<Watched> {
  /** Called once when the time is over. */
  overdue(): void;
  /** By the monotonic clock; set by the watch. */
  dueMs?: number;
}

/** One coarse timer for many things; it runs only while something is watched. */
export interface Watch {
  /** Calls `overdue` of a thing after a time, at most a tick late; things with the same time share one list. */
  add(watched: Watched, afterMs: number): void;
  /** Forgets a thing that was added with this time. */
  remove(watched: Watched, afterMs: number): void;
  close(): void;
}

const tickMs = 50;

/**
 * Adding and removing cost two links and no timer: things with the same time fall due in the order in which they came,
 * so only the first of them is looked at.
 *
 * While the event loop is blocked, nothing that came in has been seen yet. A late tick therefore calls overdue only
 * what was so at the tick before: all that came in until then has been seen since, however often ticks are late.
 */
export function createWatch(runtime: Runtime): Watch {
  const lists = new Map<number, LinkedQueue<Watched>>();
  let size = 0;
  let expectedMs = 0;
  let cancel: (() => void) | undefined;

  function arm(): void {
    expectedMs = runtime.monotonicMs() + tickMs;
    cancel = runtime.schedule(tickMs, tick);
  }

  function tick(): void {
    cancel = undefined;
    const nowMs = runtime.monotonicMs();
    const isLate = nowMs - expectedMs > 2 * tickMs;
    callOverdue(isLate ? expectedMs - tickMs : nowMs);
    if (size > 0) arm();
  }

  function callOverdue(untilMs: number): void {
    for (const [afterMs, list] of lists) {
      for (let watched = list.first; watched !== undefined; watched = list.first) {
        if ((watched.dueMs as number) > untilMs) break;
        list.remove(watched);
        size--;
        watched.overdue();
      }
      if (list.size === 0) lists.delete(afterMs);
    }
  }

  return {
    add(watched, afterMs) {
      let list = lists.get(afterMs);
      if (!list) {
        list = new LinkedQueue();
        lists.set(afterMs, list);
      }
      watched.dueMs = runtime.monotonicMs() + afterMs;
      list.add(watched);
      size++;
      if (!cancel) arm();
    },
    remove(watched, afterMs) {
      if (lists.get(afterMs)?.remove(watched)) size--;
    },
    close() {
      cancel?.();
      cancel = undefined;
      lists.clear();
      size = 0;
    },
  };
}
