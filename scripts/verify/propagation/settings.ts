/** What this verification promises, and by how much it is run. */

/** Gateway processes. */
export const nodeCount = 4;

/** A change is in force on every node after this, 99 times of 100, while the store pushes. */
export const pushBoundMs = 100;

/**
 * A change is in force on every node after this, always, whether the store pushes or not. Nothing may be served by the
 * state before for a request that was sent later.
 */
export const boundMs = 5_000;

/** Longest wait for the state before a change, which is no figure: machines may be busy. */
export const beginMs = 60_000;

/** Longest wait for a change before a round is given up; it counts as this long then. */
export const giveUpMs = 12_000;

/** A figure may be missed by this factor before the verification fails: machines differ. */
export const tolerance = 2;

/** What a caller waits for the key store at most (`reads.timeoutMs`), so the bound on a stampede's slowest requests. */
export const stampedeBoundMs = 2_000;

/** A look-up in a warm cache takes at most this. */
export const warmLookUpUs = 5;

/** The large site: a compilation of its configuration, all that its process holds, and a request in terms of one to a site with 10 of each. */
export const scale = { keys: 100_000, profiles: 1_000, models: 2_000 };
export const compileBoundMs = 300;
export const memoryBoundMb = 150;
export const requestCostBound = 1.1;

/** The whole run, everything included. */
export const wholeRunMs = 480_000;
