import type { Runtime } from '../runtime.ts';
import { withinDeadline } from './failure/deadline.ts';
import type { Ledger, LedgerScope } from './ledger.ts';
import { forever } from './window-span.ts';

/** How many gateways share a ledger. */
export interface NodeCount {
  /** As the ledger last said, this one included. */
  readonly count: number;
  /** Gives back the place of this gateway. */
  close(): Promise<void>;
}

const leaseMs = 60_000;
const lookMs = 5_000;
/** The second look comes soon: gateways started together do not all see each other at the first. */
const secondLookMs = 1_000;
const deadlineMs = 1_000;

const place: LedgerScope = {
  key: 'headgate/nodes',
  amount: 1_000_000_000,
  hold: 1,
  charge: 0,
  mode: 'count',
  span: forever,
};

/**
 * Counts the gateways on a ledger by what is held there: each holds one of a scope that is never full, under a lease
 * that it renews. So it needs no more of a ledger than limits do, a killed gateway is forgotten with its lease, and
 * while the ledger does not answer the last count stands. A count that falls is believed after one lease: leases that
 * ran out while the ledger was unavailable are taken again one by one.
 *
 * @param least how many are known to exist
 */
export function createNodeCount(options: {
  readonly ledger: Ledger;
  readonly runtime: Runtime;
  readonly least: number;
}): NodeCount {
  const { ledger, runtime, least } = options;
  let count = least;
  let lowerSinceMs: number | undefined;
  let id: string | undefined;
  let isClosed = false;
  let isAsking = false;
  let looks = 0;
  let cancel = runtime.schedule(0, look);

  function look(): void {
    void withinDeadline(runtime, deadlineMs, askOnce())
      // requests with limits notice and report that the ledger fails
      .catch(() => undefined)
      .then(() => {
        if (!isClosed) cancel = runtime.schedule(looks++ === 0 ? secondLookMs : lookMs, look);
      });
  }

  /** Does not ask again while the ledger has not answered. */
  async function askOnce(): Promise<void> {
    if (isAsking) return;
    isAsking = true;
    await ask().finally(() => {
      isAsking = false;
    });
  }

  async function ask(): Promise<void> {
    if (id === undefined || !(await ledger.renew(id, leaseMs))) {
      const next = `node/${runtime.newId()}`;
      // known before it is granted: the next renewal finds what is granted late
      id = next;
      await ledger.reserve(next, [place], leaseMs);
    }
    const [state] = await ledger.peek([place]);
    if (state) learn(Math.max(least, state.held));
  }

  function learn(found: number): void {
    const nowMs = runtime.monotonicMs();
    if (found >= count) lowerSinceMs = undefined;
    else {
      lowerSinceMs ??= nowMs;
      if (nowMs - lowerSinceMs < leaseMs) return;
      lowerSinceMs = undefined;
    }
    count = found;
  }

  return {
    get count() {
      return count;
    },
    async close() {
      isClosed = true;
      cancel();
      const leave = async (): Promise<void> => {
        if (id !== undefined) await ledger.settle(id, []);
      };
      // what is not given back ends with its lease
      await withinDeadline(runtime, deadlineMs, leave()).catch(() => undefined);
    },
  };
}
