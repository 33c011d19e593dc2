import type { ChangeListener, Unwatch } from './watch.ts';

/** The listeners of one kind of change, for backends that find out about changes themselves. */
export interface ChangeNotifier {
  /** Listeners at present. */
  readonly size: number;
  /**
   * Adds a listener, which is called with `undefined` soon, but not before `watch` has returned; unless `begins` is
   * `false`: then the backend tells it when it does listen.
   */
  watch(listener: ChangeListener, begins?: boolean): Unwatch;
  /** Calls every listener. One that throws keeps nobody else from being told. */
  tell(id: string | undefined): void;
  /** Ends every watch. */
  close(): void;
}

/**
 * Keeps listeners. `onSizeChange` is called when one comes or goes, for backends that listen only while somebody does.
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
      // whose listener fails hears less; the change, the other listeners and the process go on
    }
  };
  return {
    get size() {
      return watches.size;
    },
    watch(listener, begins = true) {
      // of its own for each call, so that one function can watch twice and end each watch apart
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
