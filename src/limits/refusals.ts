import { matchesAny } from '../config/patterns.ts';
import type { Model } from '../config/snapshot.ts';
import { GatewayError } from '../errors.ts';
import { metadataHeader } from '../metadata.ts';
import { endUserHeader } from './end-user.ts';
import type { LedgerScope, ScopeState } from './ledger.ts';
import { type Limit, missingSubjectOf } from './limit.ts';
import { runHeader } from './run-of.ts';
import type { LimitSubject, SubjectFacts } from './subject.ts';

/** @throws GatewayError 400 or 403 when a request lacks a subject that the limit requires, saying how to give it */
export function refuseMissing(limit: Limit, facts: SubjectFacts): void {
  const missing = missingSubjectOf(limit, facts);
  if (missing === undefined) return;
  const message = `The limit "${limit.label}" is counted for each ${missing}, and this request has none.`;
  if (missing.startsWith('metadata:')) {
    const name = missing.slice('metadata:'.length);
    throw new GatewayError('metadata_required', `${message} Send the header ${metadataHeader}: ${name}=…`, {
      param: metadataHeader,
    });
  }
  const header = headers[missing];
  if (header === undefined) {
    throw new GatewayError('not_permitted', `${message} Use a key that has one.`, { param: missing });
  }
  throw new GatewayError('malformed_request', `${message} Send the header ${header}.`, { param: header });
}

const headers: Partial<Record<LimitSubject, string>> = { run: runHeader, endUser: endUserHeader };

/** @throws GatewayError `budget_exceeded` (402): for a request whose run was ended, or is out of time */
export function refuseEnded(): never {
  throw new GatewayError('budget_exceeded', 'This run has ended.', { retryable: false, param: runHeader });
}

/** @throws GatewayError `not_permitted` (403) for a model without a price under a blocking budget: it is never free */
export function refuseUnpriced(limits: readonly Limit[], model: Model | undefined): void {
  if (!model || model.price) return;
  for (const limit of limits) {
    if (limit.unit !== 'usd' || limit.mode !== 'block') continue;
    throw new GatewayError(
      'not_permitted',
      `The model ${JSON.stringify(model.name)} has no price on this gateway and the limit "${limit.label}" is in money, so it cannot be held. Use another model, or ask the operator to add the price.`,
      { param: 'model' },
    );
  }
}

/**
 * A batch is held as one request, for one model: what others in it cost, and whose limits they meet, could not be told
 * apart.
 *
 * @param models that the batch names
 * @throws GatewayError `malformed_request` (400) if a blocking limit is in money, or depends on one of them
 */
export function refuseMixed(models: readonly string[], limits: readonly Limit[]): void {
  const limit =
    models.length > 1 &&
    limits.find(
      ({ mode, unit, per, models: names }) =>
        mode === 'block' &&
        (names ? models.some((name) => matchesAny(names, name)) : unit === 'usd' || per.includes('model')),
    );
  if (!limit) return;
  throw new GatewayError(
    'malformed_request',
    `This batch names ${models.length} models, and what each may use of the limit "${limit.label}" cannot be held. Send a batch for each model.`,
    { param: 'requests' },
  );
}

/** The model's own cap on what one request may cost, by its estimate. @throws GatewayError `request_too_costly` (400) */
export function refuseCostly(model: Model | undefined, cost: number): void {
  if (model?.maxCostNanoUsd === undefined || cost <= model.maxCostNanoUsd) return;
  throw new GatewayError(
    'request_too_costly',
    `This request could cost ${dollars(cost)} and ${model.name} allows ${dollars(model.maxCostNanoUsd)} for one. Shorten it or lower its maximum of output tokens.`,
    { retryable: false },
  );
}

/** Index of the first limit that could never hold a request, however little of it is used; -1 when there is none. */
export function findImpossible(
  limits: readonly Limit[],
  scopes: readonly LedgerScope[],
  nowMs: number,
): number {
  for (let index = 0; index < limits.length; index++) {
    const { mode, window } = limits[index] as Limit;
    const { hold, amount } = scopes[index] as LedgerScope;
    // a window that is not open now may open later
    if (mode === 'block' && hold > amount && window.isOpenAt?.(nowMs) !== false) return index;
  }
  return -1;
}

/** The error for a request that a limit can never hold: which limit, and by how much it is too large. */
export function toImpossible(limit: Limit, { hold, amount }: LedgerScope): GatewayError {
  // if nothing is allowed, it does not help to lower anything
  const advice =
    amount === 0
      ? '.'
      : `: ${show(hold - amount, limit)} too much. Shorten it or lower its maximum of output tokens.`;
  return new GatewayError(
    'request_too_costly',
    `This request could need ${show(hold, limit)} and the limit "${limit.label}" allows ${show(amount, limit)} in all${advice}`,
    { retryable: false },
  );
}

/**
 * The error for a request that a limit has denied: 429 where waiting up to a minute helps, or may help, else 402 or 429
 * as the limit says, with the advice not to retry.
 *
 * @param headers the caller's limits, sent with the error
 */
export function toDenial(
  limit: Limit,
  scope: LedgerScope,
  state: ScopeState,
  nowMs: number,
  headers: Readonly<Record<string, string>>,
): GatewayError {
  const left = show(Math.max(0, state.amount - state.used - state.held), limit);
  const resetsAtMs = limit.window.resetsAtMs(scope.span);
  const slots = limit.unit === 'parallel';
  const waitMs = slots ? 1_000 : resetsAtMs === undefined ? Number.POSITIVE_INFINITY : resetsAtMs - nowMs;
  const { buckets, fromMs, untilMs } = scope.span;
  const isRolling = buckets.length > 1;
  const reset = slots
    ? 'It resets when a running request ends.'
    : resetsAtMs === undefined
      ? 'It does not reset.'
      : `${isRolling ? 'Its oldest use is freed, at the earliest,' : 'It resets'} ${new Date(resetsAtMs).toISOString()}.`;
  const message = `The limit "${limit.label}" is reached (${left} left). ${reset}`;
  // the end of a bucket does not promise room: its length decides, not how much of it is left
  if (limit.unit !== 'usd' && (isRolling ? untilMs - fromMs : waitMs) <= 60_000) {
    const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
    return new GatewayError('rate_limited', message, { retryAfterSeconds, headers });
  }
  return new GatewayError('budget_exceeded', message, { status: limit.status, retryable: false, headers });
}

/** An outage of the ledger. */
export function toUnavailable(cause: unknown): GatewayError {
  return new GatewayError(
    'store_unavailable',
    'The limits of this request cannot be checked at the moment. Try again shortly.',
    { cause, retryAfterSeconds: 1, headers: { 'x-headgate-degraded': 'limits' } },
  );
}

/** An amount for people to read. */
export function show(amount: number, { unit }: Pick<Limit, 'unit'>): string {
  return unit === 'usd' ? dollars(amount) : `${amount} ${unit}`;
}

function dollars(nanoUsd: number): string {
  return `$${(nanoUsd / 1e9).toFixed(6)}`;
}
