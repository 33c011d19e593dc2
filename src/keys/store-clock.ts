import type { Runtime } from '../runtime.ts';
import type { KeyStore } from '../stores/key-store.ts';

/** The clock that keys expire by. */
export interface StoreClock {
  /** The store's clock now, milliseconds since the epoch; this process's own if the store has none. */
  nowMs(): number;
  /**
   * Asks the store when that is due: in the background if an earlier answer is known, otherwise as a promise that
   * rejects as the store does. Undefined when there is nothing to wait for.
   */
  refresh(): Promise<void> | undefined;
}

// after this the two clocks may have drifted by more than an answer's transit time
const maxAgeMs = 60_000;
/** After this the store is asked again: the answer may never come. */
const patienceMs = 5_000;

/** A clock from a store's answers. It advances with the monotonic clock, whatever our wall clock is set to. */
export function createStoreClock(store: Pick<KeyStore, 'readClockMs'>, runtime: Runtime): StoreClock {
  if (store.readClockMs === undefined) return { nowMs: runtime.now, refresh: () => undefined };
  /** The store's clock minus our monotonic one, at least: an answer arrives later than the store read its clock. */
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
    // a more precise offset stays, unless the store's clock was set
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
        // no one may be waiting for it
        question.catch(() => undefined);
        asking = question;
      }
      return offsetMs === undefined ? asking : undefined;
    },
  };
}

/** The store, whose reads also wait for its clock while that is unknown. */
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
