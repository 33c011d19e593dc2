import type { Runtime } from '../../runtime.ts';
import type { Ledger, LedgerScope } from '../ledger.ts';
import { withinDeadline } from './deadline.ts';

interface Entry {
  readonly id: string;
  readonly scopes: readonly LedgerScope[];
  readonly used: readonly number[];
}

/** What was used while a ledger could not be asked, to be posted when it is back. */
export interface Journal {
  add(id: string, scopes: readonly LedgerScope[], used: readonly number[]): void;
  /** Posts what it has, oldest first, until something fails. @returns whether nothing is left */
  post(): Promise<boolean>;
  readonly size: number;
  /** Entries given up because there were too many. */
  readonly dropped: number;
  /** Scopes of entries whose bucket had ended, so that there was no place to post to. */
  readonly lapsed: number;
}

/** An empty one. @param options.maxEntries above this many the oldest is dropped */
export function createJournal(options: {
  readonly ledger: Ledger;
  readonly runtime: Runtime;
  readonly deadlineMs: number;
  readonly maxEntries: number;
}): Journal {
  const { ledger, runtime, deadlineMs, maxEntries } = options;
  const entries = new Set<Entry>();
  let dropped = 0;
  let lapsed = 0;
  let posting: Promise<boolean> | undefined;

  async function postAll(): Promise<boolean> {
    for (const entry of entries) {
      try {
        await postOne(entry);
      } catch {
        return false;
      }
      entries.delete(entry);
    }
    return true;
  }

  /** Safe to repeat: reservation and settlement are by id. */
  async function postOne({ id, scopes, used }: Entry): Promise<void> {
    const nowMs = ledger.nowMs();
    const places = scopes.flatMap(({ span }, index) =>
      nowMs >= span.fromMs && nowMs < span.untilMs ? [index] : [],
    );
    lapsed += scopes.length - places.length;
    if (places.length === 0) return;
    // holds nothing and denies nothing: it has been used already
    const asCounted = places.map((place): LedgerScope => {
      const scope = scopes[place] as LedgerScope;
      return { ...scope, hold: 0, charge: used[place] ?? 0, mode: 'count' };
    });
    const reserving = Promise.resolve(ledger.reserve(id, asCounted, leaseMs));
    const { kind } = await withinDeadline(runtime, deadlineMs, reserving);
    if (kind !== 'granted') {
      lapsed += places.length;
      return;
    }
    const settling = Promise.resolve(
      ledger.settle(
        id,
        places.map((place) => used[place] ?? 0),
      ),
    );
    await withinDeadline(runtime, deadlineMs, settling);
  }

  return {
    add(id, scopes, used) {
      entries.add({ id, scopes, used });
      if (entries.size <= maxEntries) return;
      entries.delete(entries.values().next().value as Entry);
      dropped++;
    },
    post() {
      posting ??= postAll().finally(() => {
        posting = undefined;
      });
      return posting;
    },
    get size() {
      return entries.size;
    },
    get dropped() {
      return dropped;
    },
    get lapsed() {
      return lapsed;
    },
  };
}

/** Long enough to settle at once; what is not settled then is charged what was used. */
const leaseMs = 60_000;
