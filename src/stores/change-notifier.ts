import type { ChangeListener, Unwatch } from './watch.ts';

/** The listeners of one kind of change, for backends that find out about changes themselves. */
export interface ChangeNotifier {
  /** Number of listeners. */
  readonly size: number;
  /**
   * Adds a listener and calls it with `undefined` soon, but not before `watch` has returned. If `begins` is `false`,
   * the backend does that once it listens.
   */
  watch(listener: ChangeListener, begins?: boolean): Unwatch;
  /** Calls every listener. One that throws does not stop the others. */
  tell(id: string | undefined): void;
  /** Ends every watch. */
  close(): void;
}

/**
 * Keeps listeners. `onSizeChange` is called when one is added or removed, for backends that listen only while somebody
 * does.
 *
 * @example
 * const notifier = createChangeNotifier();
 * const unwatch = notifier.watch((id) => console.log(id)); // undefined, then Aa0000000001
 * notifier.tell('Aa0000000001');
 */
export function createChangeNotifier(onSizeChange: (size: number) => void = () => {}): ChangeNotifier {
  const watches = new Set<{ readonly listener: ChangeListener }>();
  const call = (watch: { readonly listener: ChangeListener }, id: string | undefined): void => {
    if (!watches.has(watch)) return;
    try {
      watch.listener(id);
    } catch {
      // a failing listener stops neither the change, nor the other listeners, nor the process
    }
  };
  return {
    get size() {
      return watches.size;
    },
    watch(listener, begins = true) {
      // a new object per call, so that one function can watch twice and end each watch separately
      const watch = { listener };
      watches.add(watch);
      onSizeChange(watches.size);
      if (begins) queueMicrotask(() => call(watch, undefined));
      return async () => {
        if (watches.delete(watch)) onSizeChange(watches.size);
      };
    },
    tell(id) {
      for (const watch of [...watches]) call(watch, id);
    },
    close() {
      watches.clear();
      onSizeChange(0);
    },
  };
}
