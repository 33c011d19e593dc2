import { LinkedQueue } from '../linked-queue.ts';
import type { Runtime } from '../runtime.ts';
import type { Account } from './account.ts';
import type { Awaitable, Ledger } from './ledger.ts';

/** What leases are kept with. */
export interface LeaseOptions {
  readonly ledger: Ledger;
  /** How long a hold outlives a gateway that died. */
  readonly leaseMs: number;
  /** How long after its last renewal a lease is renewed. */
  readonly renewMs: number;
  /** Called for a reservation that the ledger no longer holds, and for renewals that failed. */
  readonly onLost: (id: string, cause?: unknown) => void;
}

/** The leases of all running requests of a gateway. */
export interface Leases {
  /** Renews the lease of a request until `remove`. */
  add(account: Account, runtime: Runtime): void;
  remove(account: Account): void;
  /** How many are kept. */
  readonly size: number;
}

/**
 * Keeps the leases of running requests with one timer for all of them, which exists only while there are any. A
 * request that ends before its first renewal costs two links in a list. Each renewal reports what has accrued.
 */
export function createLeases({ ledger, leaseMs, renewMs, onLost }: LeaseOptions): Leases {
  // in the order of their last renewal: those due are in front
  const accounts = new LinkedQueue<Account>();
  // ten rounds for each renewal, so that not all are due at once
  const roundMs = Math.max(1, Math.floor(renewMs / 10));
  let isScheduled = false;

  function schedule(runtime: Runtime): void {
    isScheduled = true;
    runtime.schedule(roundMs, () => {
      isScheduled = false;
      renewDue(runtime.monotonicMs());
      if (accounts.size > 0) schedule(runtime);
    });
  }

  function renewDue(nowMs: number): void {
    const due: Account[] = [];
    for (let next = accounts.first; next !== undefined; next = next.behind) {
      if (nowMs - next.renewedAtMs < renewMs) break;
      due.push(next);
    }
    for (const account of due) {
      accounts.remove(account);
      account.renewedAtMs = nowMs;
      accounts.add(account);
      renew(account);
    }
  }

  function renew(account: Account): void {
    const conclude = (isHeld: boolean) => {
      // an answer may come after the request has ended
      if (isHeld || account.isClosed) return;
      accounts.remove(account);
      onLost(account.id);
    };
    const fail = (cause: unknown) => onLost(account.id, cause);
    try {
      const renewed: Awaitable<boolean> = ledger.renew(account.id, leaseMs, account.accrued());
      if (renewed instanceof Promise) renewed.then(conclude, fail);
      else conclude(renewed);
    } catch (cause) {
      fail(cause);
    }
  }

  return {
    add(account, runtime) {
      account.renewedAtMs = runtime.monotonicMs();
      accounts.add(account);
      if (!isScheduled) schedule(runtime);
    },
    remove: (account) => {
      accounts.remove(account);
    },
    get size() {
      return accounts.size;
    },
  };
}
