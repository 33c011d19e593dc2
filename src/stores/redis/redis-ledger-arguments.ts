import type { LedgerScope, ReadScope, ReserveResult, ScopeState } from '../../limits/ledger.ts';
import { requireCount, requireCounts } from '../../limits/require-count.ts';
import type { LedgerReply } from './redis-ledger-server.ts';

const maxScopes = 500;
const maxBuckets = 5_000;

/** Parameters of `reserveHolds`. @throws TypeError as `Ledger.reserve` */
export function toReserveParameters(id: string, scopes: readonly LedgerScope[], leaseMs: number): string[] {
  requireLease(leaseMs);
  requireSizes(scopes);
  const keys = new Set<string>();
  let fromMs = -Number.MAX_SAFE_INTEGER;
  let untilMs = Number.MAX_SAFE_INTEGER;
  const parameters: string[] = [];
  for (const { key, amount, hold, charge, mode, span } of scopes) {
    requireCount(hold, `The hold of "${key}"`);
    requireCount(charge, `The charge of "${key}"`);
    if (Number.isNaN(amount)) throw new TypeError(`The amount of "${key}" is no number.`);
    if (keys.has(key)) throw new TypeError(`Two scopes have the key "${key}".`);
    keys.add(key);
    fromMs = Math.max(fromMs, span.fromMs);
    untilMs = Math.min(untilMs, span.untilMs);
    const forgetMs = span.forgetMs === Number.POSITIVE_INFINITY ? '' : toInteger(span.forgetMs);
    parameters.push(toText(key), String(amount), toInteger(Math.floor(amount)), String(hold), String(charge));
    parameters.push(mode === 'block' ? '1' : '0', forgetMs, String(span.buckets.length));
    for (const bucket of span.buckets) parameters.push(String(bucket));
  }
  const head = [toText(id), String(Math.ceil(leaseMs)), toInteger(Math.ceil(fromMs))];
  return [...head, toInteger(Math.ceil(untilMs)), String(scopes.length), ...parameters];
}

/** The result in a reply to `reserveHolds`; one to a repeated id contains the whole first answer. */
export function toReserveResult(
  reply: LedgerReply,
  scopes: readonly LedgerScope[],
  nowMs: number,
): ReserveResult {
  const [kind, deniedAt, isRepeated, ...figures] = reply;
  if (kind === 'stale') return { kind: 'stale', nowMs };
  const states: ScopeState[] = [];
  if (Number(isRepeated) === 1) {
    for (let at = 0; at < figures.length; at += 4) {
      states.push({
        key: fromText(String(figures[at + 2])),
        used: Number(figures[at]),
        held: Number(figures[at + 1]),
        amount: Number(figures[at + 3]),
      });
    }
  } else states.push(...toStates(figures, scopes));
  if (kind === 'denied') return { kind: 'denied', deniedAt: Number(deniedAt), scopes: states };
  return { kind: 'granted', scopes: states };
}

/** Parameters of `renewLease`. @throws TypeError for an invalid lease or charge */
export function toRenewParameters(id: string, leaseMs: number, charges?: readonly number[]): string[] {
  requireLease(leaseMs);
  const head = [toText(id), String(Math.ceil(leaseMs))];
  return charges ? [...head, '1', ...toCounts(charges, 'A charge')] : [...head, '0'];
}

/** Parameters of `settleHolds` for one id. @throws TypeError for a use that is not a safe integer ≥ 0 */
export function toSettleParameters(id: string, used: readonly number[]): string[] {
  return [toText(id), ...toCounts(used, 'What was used')];
}

/** Parameters of `readTotals`. */
export function toReadParameters(scopes: readonly ReadScope[]): string[] {
  requireSizes(scopes);
  const parameters = [String(scopes.length)];
  for (const { key, span } of scopes) {
    parameters.push(toText(key), String(span.buckets.length));
    for (const bucket of span.buckets) parameters.push(String(bucket));
  }
  return parameters;
}

/** The states from pairs of used and held. */
export function toStates(figures: LedgerReply, scopes: readonly ReadScope[]): ScopeState[] {
  return scopes.map(({ key, amount }, at) => ({
    key,
    used: Number(figures[2 * at]),
    held: Number(figures[2 * at + 1]),
    amount,
  }));
}

/** A text as it can be sent: what is not well-formed would reach Redis as other text. */
export function toText(text: string): string {
  return text.startsWith('"') || /\p{Surrogate}/u.test(text) ? JSON.stringify(text) : text;
}

function fromText(text: string): string {
  return text.startsWith('"') ? (JSON.parse(text) as string) : text;
}

/** Anything further away counts as forever. */
function toInteger(value: number): string {
  const bounded = Math.max(-Number.MAX_SAFE_INTEGER, Math.min(value, Number.MAX_SAFE_INTEGER));
  return String(Math.floor(bounded));
}

function toCounts(values: readonly (number | undefined)[], what: string): string[] {
  // as many as a reservation may have scopes; the rest is ignored
  const taken = values.slice(0, maxScopes);
  requireCounts(taken, what);
  const counted = Array.from(taken, (value) => (value === undefined ? '' : String(value)));
  return [String(counted.length), ...counted];
}

function requireLease(leaseMs: number): void {
  if (leaseMs >= 0 && leaseMs <= Number.MAX_SAFE_INTEGER / 2) return;
  throw new TypeError(`A lease of ${leaseMs} ms cannot be.`);
}

function requireSizes(scopes: readonly ReadScope[]): void {
  const buckets = scopes.reduce((sum, { span }) => sum + span.buckets.length, 0);
  if (scopes.length <= maxScopes && buckets <= maxBuckets) return;
  throw new TypeError(`At most ${maxScopes} scopes and ${maxBuckets} buckets go into one reservation.`);
}
