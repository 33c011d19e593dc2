import { LRUCache } from 'lru-cache';

/** A bounded cache whose entries can be held. */
export interface HeldCache<Entry extends object> {
  get(id: string): Entry | undefined;
  set(id: string, entry: Entry): void;
  delete(id: string): void;
  /** Keeps the entry of this id, now or once there is one, until the returned function is called. */
  hold(id: string): () => void;
  /** Drops idle entries that nobody holds. */
  sweep(isIdle: (entry: Entry) => boolean): void;
  clear(): void;
}

/** The least recently used goes first; held entries stay, and `max` does not count them. */
export function createHeldCache<Entry extends object>(max: number): HeldCache<Entry> {
  const loose = new LRUCache<string, Entry>({ max });
  const held = new Map<string, Entry>();
  const holds = new Map<string, number>();

  const release = (id: string): void => {
    const count = (holds.get(id) ?? 1) - 1;
    if (count > 0) {
      holds.set(id, count);
      return;
    }
    holds.delete(id);
    const entry = held.get(id);
    held.delete(id);
    if (entry) loose.set(id, entry);
  };

  return {
    get: (id) => held.get(id) ?? loose.get(id),
    set(id, entry) {
      if (holds.has(id)) held.set(id, entry);
      else loose.set(id, entry);
    },
    delete(id) {
      held.delete(id);
      loose.delete(id);
    },
    hold(id) {
      holds.set(id, (holds.get(id) ?? 0) + 1);
      const entry = loose.get(id);
      loose.delete(id);
      if (entry) held.set(id, entry);
      let isHeld = true;
      return () => {
        if (isHeld) release(id);
        isHeld = false;
      };
    },
    sweep(isIdle) {
      for (const [id, entry] of [...loose.entries()]) if (isIdle(entry)) loose.delete(id);
    },
    clear() {
      loose.clear();
      held.clear();
    },
  };
}
