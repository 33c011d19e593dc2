/** What a leasing ledger did since it was made, and what it has now. */
export interface LeasingReport {
  /** Decisions without a round trip. */
  readonly memoryDecisions: number;
  /** Decisions that waited for the shared ledger, denials among them. */
  readonly sharedDecisions: number;
  /** Reservations asked of the shared ledger, for slices and for single requests. */
  readonly asked: number;
  /** Calls to the shared ledger that were rejected or late. */
  readonly failed: number;
  /** Slices whose lease ran out while this node lived. */
  readonly lost: number;
  /** Whether the last call to the shared ledger failed. */
  readonly isFailing: boolean;
  /** Requests that wait for the shared ledger. */
  readonly waiting: number;
  /** Reservations that are open here. */
  readonly open: number;
  /** Slices of all scopes. */
  readonly slices: number;
  /** Settlements of slices that the shared ledger has not taken yet. */
  readonly unsettled: number;
  /** Settlements of slices that were given up; the shared ledger charges their leases. */
  readonly dropped: number;
  /** Use of counted scopes that could not be posted anywhere. */
  readonly uncounted: number;
  /** Scopes with slices, those with the most unused first. */
  readonly scopes: readonly LeasedScope[];
}

/** What this node has of one bucket of one scope. */
export interface LeasedScope {
  readonly key: string;
  readonly bucket: number;
  readonly amount: number;
  /** The sum of the slices. */
  readonly granted: number;
  /** Used but not posted yet. */
  readonly used: number;
  readonly held: number;
  /** Unused, yet out of reach of other nodes: in slices, and asked for ahead of need. */
  readonly unused: number;
  /** Slices taken ahead of need never leave more than this unused. */
  readonly bound: number;
}
