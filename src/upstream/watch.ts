import type { Runtime } from '../runtime.ts';

/** Something that must not take longer than a time. */
export interface Watched {
  /** Called once when the time is over. */
  overdue(): void;
}

/** One time for many: a coarse timer that runs only while something is watched. */
export interface Watch {
  /** Calls `overdue` of a thing after a time, at most a tick late; the time is that of the whole list of its length. */
  add(watched: Watched, afterMs: number): void;
  /** Forgets a thing that was added with this time. */
  remove(watched: Watched, afterMs: number): void;
  close(): void;
}

const tickMs = 50;

/**
 * Adding and removing cost a set's entry, and no timer: things that have the same time fall due in the order in which
 * they came, so only the first of them is looked at.
 *
 * While the event loop is blocked nothing that came in has been seen yet. A tick that comes late therefore calls nobody
 * overdue: it waits for the next one, which runs after what had come in.
 */
export function createWatch(runtime: Runtime): Watch {
  const lists = new Map<number, Map<Watched, number>>();
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
    if (nowMs - expectedMs <= 2 * tickMs) callOverdue(nowMs);
    if (size > 0) arm();
  }

  function callOverdue(nowMs: number): void {
    for (const [afterMs, list] of lists) {
      for (const [watched, dueMs] of list) {
        if (dueMs > nowMs) break;
        list.delete(watched);
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
        list = new Map();
        lists.set(afterMs, list);
      }
      list.set(watched, runtime.monotonicMs() + afterMs);
      size++;
      if (!cancel) arm();
    },
    remove(watched, afterMs) {
      const list = lists.get(afterMs);
      if (list?.delete(watched)) size--;
    },
    close() {
      cancel?.();
      cancel = undefined;
      lists.clear();
      size = 0;
    },
  };
}
