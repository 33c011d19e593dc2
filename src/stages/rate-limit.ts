import type { Arrival, Authorized, Identified, Received, Reserved } from '../context.ts';
import type { GatewayError } from '../errors.ts';
import { Account } from '../limits/account.ts';
import { concernOf, type LimitScope } from '../limits/apply.ts';
import { Demand } from '../limits/demand.ts';
import { estimateUsage } from '../limits/estimate.ts';
import { limitHeaders } from '../limits/headers.ts';
import type { Awaitable, ReserveResult, ScopeState } from '../limits/ledger.ts';
import type { Limit } from '../limits/limit.ts';
import { noLimitStates, toLimitStates } from '../limits/limit-states.ts';
import { noteExceeded, showThresholds } from '../limits/note-states.ts';
import { costOf } from '../limits/price.ts';
import { type RateLimitOptions, type RateLimitParts, toRateLimitParts } from '../limits/rate-limit-parts.ts';
import {
  refuseCostly,
  refuseMixed,
  refuseUnpriced,
  toDenial,
  toImpossible,
  toUnavailable,
} from '../limits/refusals.ts';
import { endHoldsWhenEnded, settle, settleWhenEnded } from '../limits/settle-when-ended.ts';
import { untoldOf } from '../limits/untold.ts';
import { hasUpstreamLimits, UpstreamHolds } from '../limits/upstream-holds.ts';
import type { GatewayReply, HeaderMap } from '../message.ts';
import type { Stage } from '../pipeline.ts';
import { namedRuns, runScopeOf, toLimited } from './limits-of-request.ts';
import { showLimits } from './show-limits.ts';

type Context = Arrival & Identified & Received & Authorized;

/** Added by `rateLimit` for the stage that sends the request, if limits apply. */
export interface Accounted {
  readonly account: Account;
}

/** Added by `rateLimit` for the stage that sends the request, if a provider has limits. */
export interface HeldUpstream {
  readonly upstreamHolds: UpstreamHolds;
}

/**
 * Before anything is sent, holds what the request may use of every limit that applies, all or nothing; renews its lease
 * while it runs, telling the ledger what has accrued; and settles with what it did use when its outcome is known.
 * If the profile says so, the output of a request that is too large for what is left is limited further.
 * Answers `GET /headgate/limits` itself, see `showLimits`.
 *
 * @throws GatewayError `rate_limited` (429) when waiting up to a minute helps, `budget_exceeded` (402, or 429 as the
 *   limit says) when it does not, `request_too_costly` (400) when the request alone exceeds a limit, `not_permitted`
 *   (403) when a budget meets a model without a price, `metadata_required` or `malformed_request` (400) when the request
 *   lacks what a limit requires, `store_unavailable` (503) when the ledger fails.
 * @throws TypeError naming an option that is out of range
 */
export function rateLimit(options: RateLimitOptions): Stage<Context, Reserved> {
  const parts = toRateLimitParts(options, namedRuns);
  return {
    name: 'rateLimit',
    inStep: true,
    run: (context, next) =>
      context.endpoint.operation === 'limits'
        ? showLimits(context, parts.ledger, parts.isDegraded, runScopeOf(context, parts.runs))
        : hold(parts, context, next),
  };
}

type Next = (facts: Reserved) => Promise<GatewayReply>;
type Granted = Extract<ReserveResult, { kind: 'granted' }>;
type Denied = Extract<ReserveResult, { kind: 'denied' }>;

const unlimited: Reserved = Object.freeze({ limitHeaders: Object.freeze({}), limitStates: noLimitStates });
const maxStaleTries = 3;
const maxClamps = 3;

function hold(parts: RateLimitParts, context: Context, next: Next): Promise<GatewayReply> {
  const { call, model, policy } = context;
  const usage = estimateUsage(call, model);
  if (model?.maxCostNanoUsd !== undefined && model.price) refuseCostly(model, costOf(usage, model.price));
  const limited = toLimited(context, parts.runs);
  const concern = concernOf(limited);
  if (call.batchModels) {
    const others = policy.limits.filter(({ unit }) => unit !== 'usd' || !limited.isOwn);
    refuseMixed(modelsOf(context), [...concern.limits, ...others]);
  }
  if (concern.limits.length === 0) return forward(parts, context, next, unlimited);
  refuseUnpriced(concern.limits, model);
  const demand = new Demand(concern, usage, call, model, policy.clampOutput);
  return new Reservation(parts, context, next, demand).ask(parts.ledger.nowMs());
}

/** Gets one request into its limits, and ends there: what waits for the reply holds only the account. */
class Reservation {
  readonly #parts: RateLimitParts;
  readonly #context: Context;
  readonly #next: Next;
  readonly #demand: Demand;
  #id: string;
  #clamps = 0;
  #staleTries = 0;
  #waits = 0;

  constructor(parts: RateLimitParts, context: Context, next: Next, demand: Demand) {
    this.#parts = parts;
    this.#context = context;
    this.#next = next;
    this.#demand = demand;
    this.#id = context.id;
  }

  ask(nowMs: number): Promise<GatewayReply> {
    const demand = this.#demand;
    demand.measure(nowMs);
    const impossible = demand.findImpossible();
    if (impossible >= 0 && !demand.clamp(undefined)) {
      throw toImpossible(demand.limits[impossible] as Limit, demand.scopes[impossible] as LimitScope);
    }
    const { ledger, leaseMs } = this.#parts;
    let result: Awaitable<ReserveResult>;
    try {
      result = ledger.reserve(this.#id, demand.scopes, leaseMs);
    } catch (cause) {
      throw toUnavailable(cause);
    }
    return result instanceof Promise
      ? result.then((found) => this.#decide(found), refuseUnavailable)
      : this.#decide(result);
  }

  #decide(result: ReserveResult): Promise<GatewayReply> {
    if (result.kind === 'granted') return this.#pass(result);
    return result.kind === 'stale' ? this.#askAgain(result.nowMs) : this.#makeRoom(result);
  }

  /** A window ended between our look at the clock and the ledger's. */
  #askAgain(nowMs: number): Promise<GatewayReply> {
    if (this.#staleTries++ < maxStaleTries) return this.ask(nowMs);
    throw toUnavailable(new Error('The clock of the ledger keeps leaving the windows of this request.'));
  }

  /** Asks for less, or later, if that may help; else refuses the request. */
  #makeRoom(denied: Denied): Promise<GatewayReply> {
    const demand = this.#demand;
    if (this.#clamps < maxClamps && demand.clamp(denied.scopes)) {
      // the answer to an id is final: a smaller request is another reservation
      this.#id = `${this.#context.id}/c${++this.#clamps}${this.#waits > 0 ? `w${this.#waits}` : ''}`;
      return this.ask(demand.nowMs);
    }
    const { waitingRoom, ledger } = this.#parts;
    const waitMs = waitingRoom.waitMs(demand, denied, ledger.nowMs(), this.#context.record);
    if (waitMs === undefined) throw this.#toDenial(denied);
    return this.#askLater(waitMs);
  }

  async #askLater(waitMs: number): Promise<GatewayReply> {
    const { waitingRoom, ledger } = this.#parts;
    await waitingRoom.wait(waitMs, this.#context);
    this.#id = `${this.#context.id}/w${++this.#waits}`;
    this.#staleTries = 0;
    return this.ask(ledger.nowMs());
  }

  #toDenial(denied: Denied): GatewayError {
    this.#note(denied);
    const { limits, scopes, nowMs } = this.#demand;
    const { deniedAt, scopes: states } = denied;
    return toDenial(
      limits[deniedAt] as Limit,
      scopes[deniedAt] as LimitScope,
      states[deniedAt] as ScopeState,
      nowMs,
      this.#headers(denied, undefined) as Readonly<Record<string, string>>,
    );
  }

  #note({ scopes: states, withoutLedger }: Granted | Denied): void {
    if (withoutLedger) this.#context.record.degraded = true;
    const { thresholds } = this.#parts;
    if (thresholds) showThresholds(thresholds, this.#demand, states);
  }

  #headers(
    { scopes: states, withoutLedger = false }: Granted | Denied,
    warnings: readonly string[] | undefined,
  ): HeaderMap {
    const { limits, scopes, nowMs } = this.#demand;
    const { family } = this.#context.endpoint;
    return limitHeaders(family, limits, scopes, states, warnings, nowMs, withoutLedger);
  }

  #pass(granted: Granted): Promise<GatewayReply> {
    const { call, model, record, runtime } = this.#context;
    const { limits, scopes, usage, clamped } = this.#demand;
    noteExceeded(record, limits, granted.scopes);
    this.#note(granted);
    if (clamped) {
      const most = `output limited to ${clamped.clampedOutputTokens} tokens by what is left of a limit`;
      record.warnings = [...(record.warnings ?? []), most];
    }
    const account = new Account({
      id: this.#id,
      applied: { limits, scopes },
      price: model?.price,
      inputTokens: usage.inputTokens ?? 0,
      untold: untoldOf(call, usage.outputTokens ?? 0),
      record,
    });
    const headers = this.#headers(granted, record.warnings);
    const limitStates = toLimitStates(limits, granted.scopes);
    const facts: Reserved & Accounted = { limitHeaders: headers, limitStates, account };
    this.#parts.leases.add(account, runtime);
    let reply: Promise<GatewayReply>;
    try {
      const withCall = clamped ? ({ ...facts, call: clamped } as Reserved) : facts;
      reply = forward(this.#parts, this.#context, this.#next, withCall);
    } catch (error) {
      reply = Promise.reject(error);
    }
    return settleWhenEnded(this.#parts, account, headers, reply);
  }
}

/** The models of a batch. */
function modelsOf({ call, snapshot, policy, runtime }: Context): string[] {
  const names = call.batchModels ?? [];
  if (names.length < 2) return [];
  const models = names.map((name) => snapshot.resolveModel(name, policy, runtime.now())?.model.name ?? name);
  return [...new Set(models)];
}

function refuseUnavailable(cause: unknown): never {
  throw toUnavailable(cause);
}

/** Sends on, with what attempts need for holding limits of providers, if there are any. */
function forward(
  parts: RateLimitParts,
  context: Context,
  next: Next,
  facts: Reserved,
): Promise<GatewayReply> {
  const { snapshot, id, model, record, runtime } = context;
  if (!hasUpstreamLimits(snapshot.providers)) return next(facts);
  const upstreamHolds = new UpstreamHolds({
    ledger: parts.ledger,
    leases: parts.leases,
    leaseMs: parts.leaseMs,
    settle: (account, ended) => settle(parts, account, ended),
    id,
    model,
    models: modelsOf(context),
    record,
    runtime,
  });
  const added: Reserved & HeldUpstream = { ...facts, upstreamHolds };
  return endHoldsWhenEnded(upstreamHolds, next(added));
}

export type { LimitEvent } from '../limits/limit-event.ts';
export type { RateLimitOptions } from '../limits/rate-limit-parts.ts';
