import type { Ledger, ReadScope } from '../../../src/limits/ledger.ts';
import { type ScopeEntry, toSpan } from './entries.ts';
import { sampleMs } from './settings.ts';

/** What was seen of the store from outside. */
export interface Samples {
  readonly count: number;
  /** Looks that the store did not answer. */
  readonly failed: number;
  /** The most that was ever used and held beyond an amount; below 0 where there was always room. */
  readonly mostOver: number;
  /** Where that was. */
  readonly where: string;
}

/** Looks at the store all the time. */
export interface Sampler {
  /** Another scope to look at. */
  add(scope: ScopeEntry): void;
  stop(): Promise<Samples>;
}

/** Windows that ended longer ago are looked at no more. */
const maxBuckets = 2;

/** Starts to look, through connections of its own. */
export function startSampler(ledger: Ledger): Sampler {
  const scopes = new Map<string, ReadScope[]>();
  let count = 0;
  let failed = 0;
  let mostOver = Number.NEGATIVE_INFINITY;
  let where = '';
  let isOver = false;

  async function look(): Promise<void> {
    const all = [...scopes.values()];
    // one bucket of each key at a time
    for (let age = 0; age < maxBuckets; age++) {
      const asked = all.map((list) => list[age]).filter((scope) => scope !== undefined);
      if (asked.length === 0) continue;
      for (const { key, used, held, amount } of await ledger.peek(asked)) {
        if (used + held - amount <= mostOver) continue;
        mostOver = used + held - amount;
        where = key;
      }
      count++;
    }
  }

  const running = (async () => {
    while (!isOver) {
      await look().catch(() => {
        failed++;
      });
      await new Promise((resolve) => setTimeout(resolve, sampleMs));
    }
  })();
  return {
    add(entry) {
      if (entry.mode !== 'block') return;
      const { key, amount } = entry;
      const known = scopes.get(key) ?? [];
      const span = toSpan(entry);
      if (known.some((scope) => scope.span.bucket === span.bucket)) return;
      known.push({ key, amount, span });
      known.sort((one, other) => other.span.bucket - one.span.bucket);
      scopes.set(key, known.slice(0, maxBuckets));
    },
    async stop() {
      isOver = true;
      await running;
      return { count, failed, mostOver, where };
    },
  };
}
