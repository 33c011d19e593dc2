import type { Runtime } from '../runtime.ts';
import type { KeyStore } from '../stores/key-store.ts';

/** The clock that keys expire by. */
export interface StoreClock {
  /** What the store's clock says now, milliseconds since the epoch; this process's own where the store has none. */
  nowMs(): number;
  /**
   * Asks the store where that is due: in the background where an answer is known that has grown old, else as a promise
   * that rejects as the store does. Undefined when there is nothing to wait for.
   */
  refresh(): Promise<void> | undefined;
}

// after this the two clocks may have drifted apart by more than an answer is on its way
const maxAgeMs = 60_000;
/** After this nobody waits any more for an answer that may never come. */
const patienceMs = 5_000;

/** Makes a clock of what a store tells; it goes on by the monotonic clock, so that nothing that sets ours changes it. */
export function createStoreClock(store: Pick<KeyStore, 'readClockMs'>, runtime: Runtime): StoreClock {
  if (store.readClockMs === undefined) return { nowMs: runtime.now, refresh: () => undefined };
  /** The store's clock less our monotonic one, as it is at least: an answer is read later than the store has looked. */
  let offsetMs: number | undefined;
  let learnedAtMs = 0;
  let asking: Promise<void> | undefined;
  let askedAtMs = 0;

  const ask = async (): Promise<void> => {
    const sentAtMs = runtime.monotonicMs();
    const storeMs = await store.readClockMs?.();
    if (typeof storeMs !== 'number' || !Number.isFinite(storeMs)) {
      throw new TypeError('KeyStore.readClockMs must resolve to milliseconds since the epoch.');
    }
    learnedAtMs = runtime.monotonicMs();
    const least = storeMs - learnedAtMs;
    const most = storeMs + 1 - sentAtMs;
    // what is known better already stays, unless the store's clock was set
    if (offsetMs === undefined || offsetMs < least || offsetMs > most) offsetMs = least;
  };

  return {
    nowMs: () => (offsetMs === undefined ? runtime.now() : offsetMs + runtime.monotonicMs()),
    refresh() {
      const nowMs = runtime.monotonicMs();
      if (offsetMs !== undefined && nowMs - learnedAtMs < maxAgeMs) return undefined;
      if (asking === undefined || nowMs - askedAtMs > patienceMs) {
        askedAtMs = nowMs;
        const question = ask().finally(() => {
          if (asking === question) asking = undefined;
        });
        // who does not wait is not told
        question.catch(() => undefined);
        asking = question;
      }
      return offsetMs === undefined ? asking : undefined;
    },
  };
}

/** The store, whose reads tell its clock too where that is not known yet. */
export function withClock(store: KeyStore, clock: StoreClock): Pick<KeyStore, 'findKey'> {
  if (store.readClockMs === undefined) return store;
  return {
    findKey(kid) {
      const known = clock.refresh();
      const found = store.findKey(kid);
      return known === undefined ? found : Promise.all([found, known]).then(([record]) => record);
    },
  };
}
