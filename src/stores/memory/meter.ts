import type { LedgerScope, ReadScope, ScopeState, Span } from '../../limits/ledger.ts';

/** What is used and held in one bucket of a scope. */
export interface Bucket {
  readonly id: number;
  readonly meter: Meter;
  /** Whether the meter's sums include it. */
  counts: boolean;
  used: number;
  held: number;
}

/** One scope: its sums over the buckets of the newest span that was asked for, and those buckets. */
export interface Meter {
  readonly key: string;
  /** The mode of the scope that asked first. */
  readonly mode: LedgerScope['mode'];
  newest: Bucket;
  /** The buckets before it that still count, oldest first. */
  older: Bucket[] | undefined;
  used: number;
  held: number;
  /** From this time on nothing in it counts. */
  neededUntilMs: number;
  /** Reservations that may still post to it. */
  references: number;
  /** Number of the reservation that asked last. */
  stamp: number;
}

/** With nothing used or held, and the bucket of `span` as its newest. */
export function createMeter({ key, mode, span }: LedgerScope): Meter {
  const meter = {
    key,
    mode,
    older: undefined,
    used: 0,
    held: 0,
    neededUntilMs: neededUntilMs(span),
    references: 0,
    stamp: 0,
  } as unknown as Meter;
  meter.newest = { id: span.bucket, meter, counts: true, used: 0, held: 0 };
  return meter;
}

/** Begins the bucket of a span, and drops those the span does not include. */
export function advanceMeter(meter: Meter, span: Span): void {
  const older: Bucket[] = [];
  for (const bucket of meter.older ?? []) keepOrDrop(bucket, span, older);
  keepOrDrop(meter.newest, span, older);
  meter.older = older.length > 0 ? older : undefined;
  meter.newest = { id: span.bucket, meter, counts: true, used: 0, held: 0 };
  meter.neededUntilMs = neededUntilMs(span);
}

function keepOrDrop(bucket: Bucket, { buckets }: Span, kept: Bucket[]): void {
  if (buckets.includes(bucket.id)) {
    kept.push(bucket);
    return;
  }
  // nobody sees what is posted to it from now on
  bucket.counts = false;
  bucket.meter.used -= bucket.used;
  bucket.meter.held -= bucket.held;
}

/** Extends `neededUntilMs` if the window's end has moved since the newest bucket began. */
export function keepLonger(meter: Meter, span: Span): void {
  const untilMs = neededUntilMs(span);
  if (untilMs > meter.neededUntilMs) meter.neededUntilMs = untilMs;
}

// a bucket summed alone is of no use after its end; the last of several is, until it is forgotten
function neededUntilMs(span: Span): number {
  return span.buckets.length === 1 ? span.untilMs : span.forgetMs;
}

/** Adds `amount`, which may be negative, to a bucket's use, and to its meter's sum while that includes the bucket. */
export function addUsed(bucket: Bucket, amount: number): void {
  bucket.used += amount;
  if (bucket.counts) bucket.meter.used += amount;
}

/** The same for what it holds. */
export function addHeld(bucket: Bucket, amount: number): void {
  bucket.held += amount;
  if (bucket.counts) bucket.meter.held += amount;
}

/** Whether forgetting it loses nothing that anybody could ask for. */
export function isIdle({ references, used, held, neededUntilMs }: Meter, nowMs: number): boolean {
  return references === 0 && ((used === 0 && held === 0) || nowMs >= neededUntilMs);
}

/** What a scope has used and holds over the buckets of its span; zero where there is no meter. Changes nothing. */
export function readMeter({ key, amount, span }: ReadScope, meter: Meter | undefined): ScopeState {
  if (meter === undefined) return { key, used: 0, held: 0, amount };
  if (span.bucket === meter.newest.id) return { key, used: meter.used, held: meter.held, amount };
  // not the span that was last reserved in
  let used = 0;
  let held = 0;
  for (const bucket of [...(meter.older ?? []), meter.newest]) {
    if (!span.buckets.includes(bucket.id)) continue;
    used += bucket.used;
    held += bucket.held;
  }
  return { key, used, held, amount };
}
