import type { Arrival, Authorized, Identified, Received, Reserved } from '../context.ts';
import { GatewayError, isGatewayError } from '../errors.ts';
import { requireInteger } from '../keys/option.ts';
import { Account, toSettled } from '../limits/account.ts';
import { type Applied, concernOf, type LimitScope, toScopes } from '../limits/apply.ts';
import { type ClampedCall, clampOutput } from '../limits/clamp.ts';
import { estimateUsage } from '../limits/estimate.ts';
import { limitHeaders } from '../limits/headers.ts';
import { createLeases, type Leases } from '../limits/leases.ts';
import type { Awaitable, Ledger, ReserveResult, ScopeState } from '../limits/ledger.ts';
import type { Limit } from '../limits/limit.ts';
import { createThresholds, type LimitEvent, type Thresholds } from '../limits/limit-event.ts';
import { noLimitStates, toLimitStates } from '../limits/limit-states.ts';
import { costOf } from '../limits/price.ts';
import {
  findImpossible,
  refuseCostly,
  refuseUnpriced,
  toDenial,
  toImpossible,
  toUnavailable,
} from '../limits/refusals.ts';
import type { RunScope, Runs } from '../limits/run.ts';
import { runOf } from '../limits/run-of.ts';
import { untoldOf } from '../limits/untold.ts';
import { hasUpstreamLimits, UpstreamHolds } from '../limits/upstream-holds.ts';
import { throttleFor, waitForRoom } from '../limits/wait-for-room.ts';
import type { GatewayReply, HeaderMap, Outcome, Usage } from '../message.ts';
import type { Stage } from '../pipeline.ts';
import { billingOf } from '../routing/billing.ts';
import { showLimits } from './show-limits.ts';

type Context = Arrival & Identified & Received & Authorized;

/** What `rateLimit` is made of. */
export interface RateLimitOptions {
  readonly ledger: Ledger;
  /** How long a hold outlives a gateway that died. Then its request counts what was last reported of it. @default 30_000 */
  readonly leaseMs?: number;
  /** How long after its last renewal the lease of a running request is renewed. At most half of `leaseMs`. @default a third of it */
  readonly renewMs?: number;
  /** Requests that wait for room at once, see `throttleMs` of a limit; more are refused. @default 1_000 */
  readonly maxWaiting?: number;
  /** Told of thresholds that are reached, and of leases that are lost. Must not throw. @default ignored */
  readonly onLimit?: (event: LimitEvent) => void;
  /** Knows the runs that were opened by `gateway.run`. @default runs are what callers name them */
  readonly runs?: Pick<Runs, 'read'>;
  /** Whether limits are decided without their ledger at the moment, for `GET /headgate/limits`. @default never */
  readonly isDegraded?: () => boolean;
}

/** Added by `rateLimit` for whoever sends the request, where limits concern it. */
export interface Accounted {
  readonly account: Account;
}

/** Added by `rateLimit` for whoever sends the request, where a provider has limits. */
export interface HeldUpstream {
  readonly upstreamHolds: UpstreamHolds;
}

interface Parts {
  readonly ledger: Ledger;
  readonly leaseMs: number;
  readonly leases: Leases;
  readonly runs: Pick<Runs, 'read'>;
  readonly thresholds: Thresholds | undefined;
  readonly onLimit: (event: LimitEvent) => void;
  /** Requests that wait for room. */
  readonly waiting: { count: number };
  readonly maxWaiting: number;
}

/**
 * Holds what the request may use of every limit that concerns it, all or nothing, before anything leaves; renews its
 * lease while it runs, telling the ledger what has accrued; and settles with what it did use when its outcome is known.
 * Where the profile says so, the output of a request that is too large for what is left is limited further.
 * Answers `GET /headgate/limits` itself, see `showLimits`.
 *
 * @throws GatewayError `rate_limited` (429) when waiting up to a minute helps, `budget_exceeded` (402, or 429 as the
 *   limit says) when it does not, `request_too_costly` (400) when the request alone exceeds a limit, `not_permitted`
 *   (403) when a budget meets a model without a price, `metadata_required` or `malformed_request` (400) when the request
 *   lacks what a limit requires, `store_unavailable` (503) when the ledger fails.
 * @throws TypeError for an option out of its range, naming it
 * @example
 * const stage = rateLimit({ ledger: createMemoryLedger(runtime), onLimit: (event) => logger.info(event) });
 */
export function rateLimit(options: RateLimitOptions): Stage<Context, Reserved> {
  const { ledger, onLimit } = options;
  const leaseMs = requireInteger('leaseMs', options.leaseMs ?? 30_000, 2, 86_400_000, 'rateLimit');
  const renewMs = requireInteger(
    'renewMs',
    options.renewMs ?? Math.ceil(leaseMs / 3),
    1,
    leaseMs / 2,
    'rateLimit',
  );
  const tell = onLimit ?? ignore;
  const onLost = (id: string, cause?: unknown) =>
    tell(cause === undefined ? { kind: 'lease-lost', id } : { kind: 'ledger-failed', id, cause });
  const parts: Parts = {
    ledger,
    leaseMs,
    leases: createLeases({ ledger, leaseMs, renewMs, onLost }),
    runs: options.runs ?? namedRuns,
    thresholds: onLimit && createThresholds(onLimit),
    onLimit: tell,
    waiting: { count: 0 },
    maxWaiting: requireInteger('maxWaiting', options.maxWaiting ?? 1_000, 0, 1_000_000, 'rateLimit'),
  };
  return {
    name: 'rateLimit',
    run: (context, next) =>
      context.endpoint.operation === 'limits'
        ? showLimits(context, ledger, options.isDegraded?.() ?? false, runScopeOf(context, parts.runs))
        : new Admission(parts, context, next).begin(),
  };
}

function ignore(): void {}

type Next = (facts: Reserved) => Promise<GatewayReply>;
type Granted = Extract<ReserveResult, { kind: 'granted' }>;
type Denied = Extract<ReserveResult, { kind: 'denied' }>;

const unlimited: Reserved = Object.freeze({ limitHeaders: Object.freeze({}), limitStates: noLimitStates });
const maxStaleTries = 3;
const maxClamps = 3;

/** The way of one request into its limits. Ends with them: what waits for the reply holds the account alone. */
class Admission {
  readonly #parts: Parts;
  readonly #context: Context;
  readonly #next: Next;
  #usage: Usage;
  #limits: readonly Limit[] = [];
  #keys: readonly string[] = [];
  #scopes: readonly LimitScope[] = [];
  #nowMs = 0;
  #id: string;
  #clamped: ClampedCall | undefined;
  #clamps = 0;
  #staleTries = 0;
  #waits = 0;
  readonly #go = (result: ReserveResult) => this.#decide(result);

  constructor(parts: Parts, context: Context, next: Next) {
    this.#parts = parts;
    this.#context = context;
    this.#next = next;
    this.#id = context.id;
    this.#usage = estimateUsage(context.call, context.model);
  }

  begin(): Promise<GatewayReply> {
    const { model } = this.#context;
    if (model?.maxCostNanoUsd !== undefined && model.price) {
      refuseCostly(model, costOf(this.#usage, model.price));
    }
    const { limits, keys } = concernOf(toLimited(this.#context, this.#parts.runs));
    if (limits.length === 0) return this.#forward(unlimited);
    refuseUnpriced(limits, model);
    this.#limits = limits;
    this.#keys = keys;
    return this.#reserve(this.#parts.ledger.nowMs());
  }

  #reserve(nowMs: number): Promise<GatewayReply> {
    const { ledger, leaseMs } = this.#parts;
    this.#nowMs = nowMs;
    this.#measure();
    const impossible = findImpossible(this.#limits, this.#scopes, nowMs);
    if (impossible >= 0 && !this.#clamp(undefined)) {
      throw toImpossible(this.#limits[impossible] as Limit, this.#scopes[impossible] as LimitScope);
    }
    let result: Awaitable<ReserveResult>;
    try {
      result = ledger.reserve(this.#id, this.#scopes, leaseMs);
    } catch (cause) {
      throw toUnavailable(cause);
    }
    return result instanceof Promise ? result.then(this.#go, refuseUnavailable) : this.#decide(result);
  }

  #measure(): void {
    this.#scopes = toScopes(this.#limits, this.#keys, this.#usage, this.#context.model?.price, this.#nowMs);
  }

  #decide(result: ReserveResult): Promise<GatewayReply> {
    if (result.kind === 'granted') return this.#pass(result);
    if (result.kind === 'stale') {
      // a window ended between our look at the clock and the ledger's
      if (this.#staleTries++ < maxStaleTries) return this.#reserve(result.nowMs);
      throw toUnavailable(new Error('The clock of the ledger keeps leaving the windows of this request.'));
    }
    if (this.#clamps < maxClamps && this.#clamp(result.scopes)) {
      // the answer to an id is final: a smaller request is another reservation
      this.#id = `${this.#context.id}/c${++this.#clamps}${this.#waits > 0 ? `w${this.#waits}` : ''}`;
      return this.#reserve(this.#nowMs);
    }
    const waitMs = this.#throttle(result);
    if (waitMs !== undefined) return this.#later(waitMs);
    throw this.#toDenial(result);
  }

  /** How long to wait for room; undefined to be refused at once. */
  #throttle({ deniedAt, scopes: states }: Denied): number | undefined {
    const limit = this.#limits[deniedAt] as Limit;
    if (limit.throttleMs === 0 || this.#parts.waiting.count >= this.#parts.maxWaiting) return undefined;
    const { ledger } = this.#parts;
    const resetsAtMs = limit.window.resetsAtMs((this.#scopes[deniedAt] as LimitScope).span);
    const waitedMs = this.#context.record.throttledMs ?? 0;
    return throttleFor(limit, states[deniedAt] as ScopeState, resetsAtMs, ledger.nowMs(), waitedMs);
  }

  async #later(waitMs: number): Promise<GatewayReply> {
    const { waiting, ledger } = this.#parts;
    const { record, request, runtime } = this.#context;
    const beganAtMs = runtime.monotonicMs();
    waiting.count++;
    try {
      await waitForRoom(waitMs, runtime, request);
    } finally {
      waiting.count--;
      record.throttledMs = (record.throttledMs ?? 0) + runtime.monotonicMs() - beganAtMs;
    }
    this.#id = `${this.#context.id}/w${++this.#waits}`;
    this.#staleTries = 0;
    return this.#reserve(ledger.nowMs());
  }

  /** Lowers the output to what is left, where the profile says so and it is of use. */
  #clamp(states: readonly ScopeState[] | undefined): boolean {
    const { policy, call, model } = this.#context;
    if (!policy.clampOutput) return false;
    const applied = { limits: this.#limits, scopes: this.#scopes };
    const clamped = clampOutput(this.#clamped ?? call, applied, states, this.#usage, model?.price);
    if (!clamped) return false;
    this.#clamped = clamped;
    this.#usage = { ...this.#usage, outputTokens: clamped.maxOutputTokens as number };
    this.#measure();
    return findImpossible(this.#limits, this.#scopes, this.#nowMs) < 0;
  }

  #toDenial({ deniedAt, scopes: states, withoutLedger = false }: Denied): GatewayError {
    this.#see(states);
    if (withoutLedger) this.#context.record.degraded = true;
    const headers = this.#headers(states, undefined, withoutLedger);
    return toDenial(
      this.#limits[deniedAt] as Limit,
      this.#scopes[deniedAt] as LimitScope,
      states[deniedAt] as ScopeState,
      this.#nowMs,
      headers as Readonly<Record<string, string>>,
    );
  }

  #headers(
    states: readonly ScopeState[],
    warnings: readonly string[] | undefined,
    withoutLedger: boolean,
  ): HeaderMap {
    return limitHeaders(
      this.#context.endpoint.family,
      this.#limits,
      this.#scopes,
      states,
      warnings,
      this.#nowMs,
      withoutLedger,
    );
  }

  #pass({ scopes: states, withoutLedger = false }: Granted): Promise<GatewayReply> {
    const { call, model, record, runtime } = this.#context;
    if (withoutLedger) record.degraded = true;
    noteExceeded(record, this.#limits, states);
    this.#see(states);
    if (this.#clamped) {
      const most = `output limited to ${this.#clamped.clampedOutputTokens} tokens by what is left of a limit`;
      record.warnings = [...(record.warnings ?? []), most];
    }
    const account = new Account({
      id: this.#id,
      applied: { limits: this.#limits, scopes: this.#scopes },
      price: model?.price,
      inputTokens: this.#usage.inputTokens ?? 0,
      ...untoldOf(call.endpoint.operation, this.#usage.outputTokens ?? 0),
      record,
    });
    const headers = this.#headers(states, record.warnings, withoutLedger);
    const limitStates = toLimitStates(this.#limits, states);
    const facts: Reserved & Accounted = { limitHeaders: headers, limitStates, account };
    this.#parts.leases.add(account, runtime);
    let reply: Promise<GatewayReply>;
    try {
      reply = this.#forward(this.#clamped ? ({ ...facts, call: this.#clamped } as Reserved) : facts);
    } catch (error) {
      reply = Promise.reject(error);
    }
    return settled(this.#parts, account, headers, reply);
  }

  /** Sends on, with what attempts need to hold of the limits of providers where there are any. */
  #forward(facts: Reserved): Promise<GatewayReply> {
    const { snapshot, id, model, record, runtime } = this.#context;
    if (!hasUpstreamLimits(snapshot.providers)) return this.#next(facts);
    const parts = this.#parts;
    const upstreamHolds = new UpstreamHolds({
      ledger: parts.ledger,
      leases: parts.leases,
      leaseMs: parts.leaseMs,
      settle: (account, ended) => settle(parts, account, ended),
      id,
      model,
      record,
      runtime,
    });
    const added: Reserved & HeldUpstream = { ...facts, upstreamHolds };
    return endHolds(upstreamHolds, this.#next(added));
  }

  #see(states: readonly ScopeState[]): void {
    const { thresholds } = this.#parts;
    if (!thresholds) return;
    for (let index = 0; index < this.#limits.length; index++) {
      const limit = this.#limits[index] as Limit;
      if (limit.thresholds.length === 0) continue;
      const { span } = this.#scopes[index] as LimitScope;
      thresholds.see(limit, states[index] as ScopeState, span.bucket, limit.window.resetsAtMs(span));
    }
  }
}

function refuseUnavailable(cause: unknown): never {
  throw toUnavailable(cause);
}

// functions of their own, so that their closures hold the account and not the request with its body

function endHolds(holds: UpstreamHolds, reply: Promise<GatewayReply>): Promise<GatewayReply> {
  return reply.then(
    (reply) => {
      void reply.outcome.then((ended) => holds.end(ended));
      return reply;
    },
    (error: unknown) => {
      holds.end(toSettled(isGatewayError(error) ? error.code : undefined));
      throw error;
    },
  );
}

function settled(
  parts: Parts,
  account: Account,
  headers: HeaderMap,
  reply: Promise<GatewayReply>,
): Promise<GatewayReply> {
  return reply.then(
    (reply) => {
      settleLater(parts, account, reply.outcome);
      return reply;
    },
    (error: unknown) => {
      settle(parts, account, toSettled(isGatewayError(error) ? error.code : undefined));
      throw withHeaders(error, headers);
    },
  );
}

function settleLater(parts: Parts, account: Account, outcome: Promise<Outcome>): void {
  void outcome.then((ended) => settle(parts, account, ended));
}

function settle(parts: Parts, account: Account, ended: Parameters<Account['settle']>[1]): void {
  const { ledger, leases, thresholds, onLimit } = parts;
  leases.remove(account);
  const used = account.settle(ledger, ended, (cause) =>
    onLimit({ kind: 'ledger-failed', id: account.id, cause }),
  );
  if (!thresholds || !used) return;
  for (let index = 0; index < used.length; index++) {
    if ((account.limits[index] as Limit).thresholds.length === 0) continue;
    thresholds.add((account.scopes[index] as LimitScope).key, used[index] as number);
  }
}

/** An error on its way to the caller, with the caller's limits as any other reply has them. */
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

const namedRuns: Pick<Runs, 'read'> = {
  read(headers) {
    const id = runOf(headers);
    return id === undefined ? undefined : { id };
  },
};

/** The run that a request is part of: what the host says, else what the caller says. */
function runScopeOf({ hostRun, request }: Context, runs: Pick<Runs, 'read'>): RunScope | undefined {
  return hostRun ?? runs.read(request.headers);
}

function toLimited(context: Context, runs: Pick<Runs, 'read'>): Parameters<typeof concernOf>[0] {
  const { policy, principal, metadata, request, call, model, record } = context;
  const run = runScopeOf(context, runs);
  if (run) record.run = run.id;
  const isOwn = billingOf({ policy, endpoint: call.endpoint }) === 'passthrough';
  return { policy, principal, metadata, request, call, model, run, isOwn };
}

/** Which limits concern a request, and how much of each it holds. Shared with `explain`. */
export function limitsFor(context: Context, nowMs: number, runs: Pick<Runs, 'read'> = namedRuns): Applied {
  const { call, model } = context;
  const { limits, keys } = concernOf(toLimited(context, runs));
  return { limits, scopes: toScopes(limits, keys, estimateUsage(call, model), model?.price, nowMs) };
}

/** Notes the limits that were exceeded and let pass all the same. */
function noteExceeded(
  record: Arrival['record'],
  limits: readonly Limit[],
  states: readonly ScopeState[],
): void {
  for (let index = 0; index < limits.length; index++) {
    const { mode, label } = limits[index] as Limit;
    if (mode === 'block') continue;
    const { used, held, amount } = states[index] as ScopeState;
    if (used + held <= amount) continue;
    if (mode === 'warn') record.warnings = [...(record.warnings ?? []), label];
    else record.shadowDenied = [...(record.shadowDenied ?? []), label];
  }
}

export type { LimitEvent } from '../limits/limit-event.ts';
