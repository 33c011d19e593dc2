import type { Runtime } from '../../runtime.ts';
import type { Awaitable, Ledger, LedgerScope } from '../ledger.ts';
import { withinDeadline } from './deadline.ts';

interface Entry {
  readonly id: string;
  readonly scopes: readonly LedgerScope[];
  readonly used: readonly number[];
}

/** What was used while a ledger was unavailable, to be posted when it is back. */
export interface Journal {
  add(id: string, scopes: readonly LedgerScope[], used: readonly number[]): void;
  /**
   * Posts what it has, the oldest first and some at a time, until something fails.
   *
   * @param onTaken called for each that was taken: the ledger is back
   * @returns whether nothing is left
   */
  post(onTaken?: () => void): Promise<boolean>;
  readonly size: number;
  /** Entries given up because there were too many. */
  readonly dropped: number;
  /** Scopes of entries whose bucket had ended, so that there was nowhere to post to. */
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

  async function postAll(onTaken: (() => void) | undefined): Promise<boolean> {
    try {
      const [first] = entries;
      // one that leases takes them in memory, which says nothing about what is behind it
      if (first) await inTime(ledger.peek(first.scopes));
      while (entries.size > 0) {
        const oldest: Entry[] = [];
        for (const entry of entries) if (oldest.push(entry) === atOnce) break;
        const ends = await Promise.allSettled(
          oldest.map(async (entry) => {
            await postOne(entry);
            // one dropped on its way is not lost
            if (!entries.delete(entry)) dropped--;
            onTaken?.();
          }),
        );
        if (ends.some(({ status }) => status === 'rejected')) return false;
      }
      return true;
    } catch {
      return false;
    }
  }

  function inTime<Value>(answer: Awaitable<Value>): Promise<Value> {
    return withinDeadline(runtime, deadlineMs, Promise.resolve(answer));
  }

  /** Safe to repeat: reservation and settlement are by id. */
  async function postOne({ id, scopes, used }: Entry): Promise<void> {
    const nowMs = ledger.nowMs();
    let posted = 0;
    const places = scopes.flatMap(({ span }, index) =>
      nowMs >= span.fromMs && nowMs < span.untilMs ? [index] : [],
    );
    if (places.length > 0) {
      // holds and denies nothing: it has been used already
      const asCounted = places.map((place): LedgerScope => {
        const scope = scopes[place] as LedgerScope;
        return { ...scope, hold: 0, charge: used[place] ?? 0, mode: 'count' };
      });
      const result = await inTime(ledger.reserve(id, asCounted, leaseMs));
      // a window ended after this look at the clock and before the ledger's: the next round posts to those left
      if (result.kind === 'stale') throw new Error(result.kind);
      // what an earlier round reserved may be more: a window ended since
      const reserved = result.scopes.map(({ key }) => scopes.findIndex((scope) => scope.key === key));
      await inTime(
        ledger.settle(
          id,
          reserved.map((place) => used[place] ?? 0),
        ),
      );
      posted = reserved.length;
    }
    lapsed += scopes.length - posted;
  }

  return {
    add(id, scopes, used) {
      entries.add({ id, scopes, used });
      if (entries.size <= maxEntries) return;
      entries.delete(entries.values().next().value as Entry);
      dropped++;
    },
    post(onTaken) {
      posting ??= postAll(onTaken).finally(() => {
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

/** An outage leaves thousands, which would take minutes one by one; requests must find room between them. */
const atOnce = 32;

/** Long enough to settle at once; what is not settled then is charged what was used. */
const leaseMs = 60_000;
