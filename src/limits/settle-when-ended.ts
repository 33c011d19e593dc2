import { GatewayError, isGatewayError } from '../errors.ts';
import type { GatewayReply, HeaderMap, Outcome } from '../message.ts';
import { whenEnded } from '../outcome.ts';
import { toNoReply } from '../pipeline.ts';
import { type Account, type Settled, toSettled } from './account.ts';
import type { LimitScope } from './apply.ts';
import type { Leases } from './leases.ts';
import type { Ledger } from './ledger.ts';
import type { Limit } from './limit.ts';
import type { LimitEvent, Thresholds } from './limit-event.ts';
import type { UpstreamHolds } from './upstream-holds.ts';

/** What settling needs of a gateway. */
export interface SettleParts {
  readonly ledger: Ledger;
  readonly leases: Leases;
  readonly thresholds: Thresholds | undefined;
  readonly onLimit: (event: LimitEvent) => void;
}

// What waits for a reply holds the account, not the request with its body: a stream may run long.

/** The same reply, or the same error with the caller's limits; the outcome of either settles the account. */
export function settleWhenEnded(
  parts: SettleParts,
  account: Account,
  headers: HeaderMap,
  reply: Promise<GatewayReply>,
): Promise<GatewayReply> {
  const fail = (error: unknown): never => {
    settle(parts, account, toSettled(isGatewayError(error) ? error.code : undefined));
    throw withHeaders(error, headers);
  };
  return reply.then((reply: GatewayReply | undefined) => {
    if (!reply) return fail(toNoReply());
    settleLater(parts, account, reply.outcome);
    return reply;
  }, fail);
}

/** The same reply; what its attempts hold of providers' limits is settled when it ends. */
export function endHoldsWhenEnded(holds: UpstreamHolds, reply: Promise<GatewayReply>): Promise<GatewayReply> {
  const fail = (error: unknown): never => {
    holds.end(toSettled(isGatewayError(error) ? error.code : undefined));
    throw error;
  };
  return reply.then((reply: GatewayReply | undefined) => {
    if (!reply) return fail(toNoReply());
    whenEnded(reply.outcome, (ended) => holds.end(ended));
    return reply;
  }, fail);
}

function settleLater(parts: SettleParts, account: Account, outcome: Promise<Outcome>): void {
  whenEnded(outcome, (ended) => settle(parts, account, ended));
}

/** Settles at once, and reports thresholds that this reaches and what was used beyond the hold. */
export function settle(parts: SettleParts, account: Account, ended: Settled): void {
  const { ledger, leases, thresholds, onLimit } = parts;
  leases.remove(account);
  const used = account.settle(ledger, ended, (cause) =>
    onLimit({ kind: 'ledger-failed', id: account.id, cause }),
  );
  if (!thresholds || !used) return;
  for (let index = 0; index < used.length; index++) {
    const { label, unit, mode, thresholds: shares } = account.limits[index] as Limit;
    const { key, hold, span } = account.scopes[index] as LimitScope;
    const amount = used[index] as number;
    if (shares.length > 0) thresholds.add(key, amount, span.bucket);
    if (amount > hold && mode === 'block') {
      onLimit({ kind: 'overrun', id: account.id, label, key, unit, held: hold, used: amount });
    }
  }
}

/** An error on its way to the caller, with the caller's limits, like any other reply. */
function withHeaders(error: unknown, headers: HeaderMap): unknown {
  if (!isGatewayError(error)) return error;
  const { code, message, status, param, retryAfterSeconds, retryable } = error;
  return new GatewayError(code, message, {
    status,
    retryable,
    headers: { ...(headers as Readonly<Record<string, string>>), ...error.headers },
    cause: error.cause ?? error,
    ...(param !== undefined && { param }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}
