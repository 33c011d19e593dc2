import type { LedgerScope, ReserveResult, ScopeState, Span } from '../../limits/ledger.ts';
import { toInstant } from './sqlite-ledger-arguments.ts';

/** One scope of a reservation, as it is remembered. */
export interface RecordedScope {
  readonly key: string;
  readonly bucket: number;
  /** When the bucket is forgotten; null for never. */
  readonly forgetMs: number | null;
  readonly hold: number;
  readonly charge: number;
  /** What the first answer said. */
  readonly amount: number;
  readonly used: number;
  readonly held: number;
}

/** What is remembered of a reservation beside its id, its state and its end. */
export interface ReservationRecord {
  /** The index of the scope that denied; -1 if none did. */
  readonly deniedAt: number;
  readonly scopes: readonly RecordedScope[];
}

/** @param states what the answer says, in the order of the scopes */
export function toRecord(
  scopes: readonly LedgerScope[],
  states: readonly ScopeState[],
  deniedAt: number,
): ReservationRecord {
  return {
    deniedAt,
    scopes: scopes.map(({ key, hold, charge, span }, index) => {
      const { used, held, amount } = states[index] as ScopeState;
      return { key, bucket: span.bucket, forgetMs: toForget(span), hold, charge, amount, used, held };
    }),
  };
}

/** The first answer. */
export function toAnswer({ deniedAt, scopes }: ReservationRecord): ReserveResult {
  const states = scopes.map(({ key, used, held, amount }) => ({ key, used, held, amount }));
  return deniedAt < 0 ? { kind: 'granted', scopes: states } : { kind: 'denied', deniedAt, scopes: states };
}

/** As arrays, since member names would be most of it. */
export function serializeRecord({ deniedAt, scopes }: ReservationRecord): string {
  const rows = scopes.map(({ key, bucket, forgetMs, hold, charge, amount, used, held }) => [
    ...[key, bucket, forgetMs, hold, charge],
    // JSON has no Infinity
    Number.isFinite(amount) ? amount : String(amount),
    ...[used, held],
  ]);
  return JSON.stringify([deniedAt, rows]);
}

/** A record that neither this release nor another wrote. */
export class DamagedReservation extends Error {}

/** @throws DamagedReservation */
export function parseReservation(text: unknown): ReservationRecord {
  try {
    const [deniedAt, rows] = JSON.parse(String(text)) as [number, unknown[][]];
    const scopes = rows.map(([key, bucket, forgetMs, hold, charge, amount, used, held]) => {
      const scope = { key, bucket, forgetMs, hold, charge, amount: Number(amount), used, held };
      const numbers = [bucket, hold, charge, used, held, forgetMs ?? 0];
      if (typeof key !== 'string' || !numbers.every(Number.isSafeInteger)) throw new Error('wrong members');
      return scope as RecordedScope;
    });
    if (!Number.isSafeInteger(deniedAt)) throw new Error('wrong members');
    return { deniedAt, scopes };
  } catch (cause) {
    throw new DamagedReservation('A reservation in the database is damaged.', { cause });
  }
}

function toForget({ forgetMs }: Span): number | null {
  return forgetMs < Number.MAX_SAFE_INTEGER ? toInstant(forgetMs) : null;
}
