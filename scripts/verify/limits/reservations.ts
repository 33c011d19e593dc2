import type { RequestRecord } from '../../../src/telemetry/record.ts';
import type { AnswerEntry, Entry, RenewEntry, ReserveEntry, ScopeEntry, SettleEntry } from './entries.ts';

/** A scope in one bucket, of all gateways together. */
export interface Place {
  /** Key, amount and bucket. */
  readonly name: string;
  readonly scope: ScopeEntry;
}

/** What became of a reservation, as the gateway that made it knows. */
export interface Reservation {
  readonly id: string;
  readonly parts: readonly { readonly place: Place; readonly hold: number; readonly charge: number }[];
  readonly reserve: ReserveEntry;
  /** Absent where the gateway was killed before it came. */
  readonly answer: AnswerEntry | undefined;
  readonly renewals: readonly RenewEntry[];
  readonly settle: SettleEntry | undefined;
  /** When the settlement was said to be made. */
  readonly settledAtMs: number | undefined;
  /** When its gateway was killed. */
  readonly killedAtMs: number | undefined;
}

/** What one gateway has written, and when it was killed. */
export interface GatewayJournal {
  readonly entries: readonly Entry[];
  readonly killedAtMs: number | undefined;
}

/** All journals read. */
export interface History {
  readonly places: ReadonlyMap<string, Place>;
  readonly reservations: readonly Reservation[];
  readonly records: readonly RequestRecord[];
  /** Ids that got two answers, and how. */
  readonly odd: readonly string[];
}

type Draft = { -readonly [Name in keyof Reservation]: Reservation[Name] } & { renewals: RenewEntry[] };

/** Puts the journals of some gateways together. */
export function toHistory(journals: readonly GatewayJournal[]): History {
  const places = new Map<string, Place>();
  const reservations: Reservation[] = [];
  const records: RequestRecord[] = [];
  const odd: string[] = [];
  for (const { entries, killedAtMs } of journals) {
    const byNumber: Place[] = [];
    const open = new Map<string, Draft>();
    for (const entry of entries) {
      if (entry.kind === 'scope') byNumber[entry.number] = toPlace(places, entry);
      else if (entry.kind === 'record') records.push(entry.record);
      else if (entry.kind === 'odd') odd.push(`${entry.id}: ${entry.what}`);
      else if (entry.kind === 'reserve') {
        // after a stale answer the same id is asked for again
        const parts = entry.scopes.map(([number, hold, charge]) => ({
          place: byNumber[number] as Place,
          hold,
          charge,
        }));
        open.set(entry.id, {
          id: entry.id,
          parts,
          reserve: entry,
          answer: undefined,
          renewals: [],
          settle: undefined,
          settledAtMs: undefined,
          killedAtMs,
        });
      } else note(open.get(entry.id), entry);
    }
    for (const reservation of open.values()) reservations.push(reservation);
  }
  return { places, reservations, records, odd };
}

function note(draft: Draft | undefined, entry: Entry): void {
  if (!draft) return;
  if (entry.kind === 'answer') draft.answer = entry;
  else if (entry.kind === 'renew') draft.renewals.push(entry);
  else if (entry.kind === 'settle') draft.settle ??= entry;
  else if (entry.kind === 'settled') draft.settledAtMs ??= entry.atMs;
}

/** Names a scope in one bucket. */
export function toPlaceName({ key, amount }: Pick<ScopeEntry, 'key' | 'amount'>, bucket: number): string {
  return `${key} ${amount} ${bucket}`;
}

function toPlace(places: Map<string, Place>, scope: ScopeEntry): Place {
  const name = toPlaceName(scope, scope.span.bucket as number);
  const known = places.get(name);
  if (known) return known;
  const place = { name, scope };
  places.set(name, place);
  return place;
}

/** What its expiry would count, at one of its scopes. */
export function chargeOf({ parts, renewals }: Reservation, index: number): number {
  const given = renewals.findLast(({ charges }) => charges !== undefined);
  return given?.charges?.[index] ?? parts[index]?.charge ?? 0;
}

/** Whether it was settled for sure: a ledger may put that off while it is asked too much, and a kill ends it. */
export function isSurelySettled({ settledAtMs, killedAtMs }: Reservation): boolean {
  return settledAtMs !== undefined && killedAtMs === undefined;
}

/** When its lease has run out at the earliest. */
export function leaseEndMs({ reserve, renewals }: Reservation): number {
  const last = renewals.at(-1) ?? reserve;
  return last.atMs + last.leaseMs;
}
