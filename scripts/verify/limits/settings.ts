/** What this verification runs, and how long. */

/** Gateway processes. */
export const nodeCount = 4;

/** Clients of each gateway; when it is killed they go to the others. */
export const clientsOfNode = 50;

/** Calls under way at once in a process that uses a ledger directly. */
export const hammerClients = 50;

/** Reservations made twice at once, with one id. */
export const duplicateReserves = 0.05;

/** Settlements made again with other amounts. */
export const duplicateSettles = 0.1;

/** Requests whose caller leaves before the end. */
export const abortedShare = 0.1;

/** Requests that are sent twice at once with one `idempotency-key`. */
export const duplicateRequests = 0.05;

/** How long the store stands still. */
export const freezeMs = 5_000;

/**
 * So that a busy machine is not taken for a store that is down, and a gateway comes back soon after one that was: what is
 * verified is what is counted meanwhile. The longer standstill is verified with the defaults.
 */
export const patientFailure = { deadlineMs: 1_500, openMs: 1_000 };

/** The same for the ledgers themselves. */
export const patientDeadlineMs = 1_000;

/** Between two looks of the sampler at the store. */
export const sampleMs = 10;

/** A slice that a killed gateway had expires after this: the default of `createLeasingLedger`. */
export const sliceLeaseMs = 10_000;

/** What settlements free of slices is given back within this: half of the default of `postMs`, and a round trip. */
export const giveBackMs = 750;

/** The part of a limit that one gateway may have unused in slices: the default of `createLeasingLedger`. */
export const maxShare = 1 / 16;

/** How long things take. */
export interface Timing {
  /** Holds expire after this, whatever the gateway asks for, so that the run need not wait for as long as callers may. */
  readonly leaseMs: number;
  /** What a ledger may take after a lease to count and release what has expired. */
  readonly sweepMs: number;
  /** A settlement that was answered may be put off for this long; a killed gateway never makes it. */
  readonly promiseMs: number;
  /** Length of the windows that end while requests are in flight. */
  readonly windowMs: number;
  /** The first window ends so long after the clients began. */
  readonly firstEndMs: number;
  /** Processes are started so long before. */
  readonly preparingMs: number;
}

/** For processes and stores. */
export const usualTiming: Timing = {
  leaseMs: 3_000,
  sweepMs: 3_000,
  promiseMs: 2_000,
  windowMs: 10_000,
  firstEndMs: 2_500,
  preparingMs: 2_000,
};

/** For gateways in one process over its memory. */
export const shortTiming: Timing = {
  leaseMs: 1_000,
  sweepMs: 500,
  promiseMs: 0,
  windowMs: 2_000,
  firstEndMs: 1_200,
  preparingMs: 0,
};
