import type { Policy } from '../config/snapshot.ts';
import type { Arrival, Authorized, Identified, Received, Reserved } from '../context.ts';
import type { Operation } from '../dialects/endpoint.ts';
import { GatewayError, isGatewayError } from '../errors.ts';
import { defaultOutputTokens, estimateInputTokens } from '../limits/estimate.ts';
import { limitHeaders } from '../limits/headers.ts';
import type {
  Awaitable,
  Ledger,
  LedgerScope,
  LimitUnit,
  ReserveResult,
  ScopeState,
} from '../limits/ledger.ts';
import { type Limit, scopeKeyOf } from '../limits/limit.ts';
import { costOf, type Price } from '../limits/price.ts';
import type { GatewayReply, Outcome, Usage } from '../message.ts';
import type { Stage } from '../pipeline.ts';
import type { Principal } from '../principal.ts';
import { billingOf } from '../routing/billing.ts';

type Context = Arrival & Identified & Received & Authorized;

/** The limits that concern a request, each with the ledger scope it draws from at the same place. */
interface Applied {
  readonly limits: readonly Limit[];
  readonly scopes: readonly LedgerScope[];
}

/**
 * Holds what the request may use of every limit that concerns it, all or nothing, before anything leaves; and settles
 * with what it did use when its outcome is known.
 *
 * @param options.leaseMs how long a hold outlives a gateway that died; longer than any request may run. @default 3_600_000
 * @throws GatewayError `rate_limited` (429) when waiting up to a minute helps, `budget_exceeded` (402) when it does not,
 *   `request_too_costly` (400) when the request alone exceeds a limit, `store_unavailable` (503) when the ledger fails.
 */
export function rateLimit(options: {
  readonly ledger: Ledger;
  readonly leaseMs?: number;
}): Stage<Context, Reserved> {
  const { ledger } = options;
  const leaseMs = options.leaseMs ?? 3_600_000;
  return {
    name: 'rateLimit',
    run(context, next) {
      refuseCostly(context);
      const attempt = (nowMs: number, triesLeft: number): Promise<GatewayReply> => {
        const applied = limitsFor(context, nowMs);
        if (applied.limits.length === 0) return next({ limitHeaders: noHeaders });
        refuseImpossible(applied);
        const go = (result: ReserveResult): Promise<GatewayReply> => {
          if (result.kind === 'denied') throw denial(applied, result, nowMs);
          if (result.kind === 'granted')
            return settled(ledger, toAccount(context, applied), pass(applied, result));
          // a window ended between our look at the clock and the ledger's
          if (triesLeft > 0) return attempt(result.nowMs, triesLeft - 1);
          throw unavailable(new Error('The clock of the ledger keeps leaving the windows of this request.'));
        };
        let result: Awaitable<ReserveResult>;
        try {
          result = ledger.reserve(context.id, applied.scopes, leaseMs);
        } catch (cause) {
          throw unavailable(cause);
        }
        if (!(result instanceof Promise)) return go(result);
        return result.then(go, (cause: unknown) => {
          throw unavailable(cause);
        });
      };
      const pass = (applied: Applied, { scopes }: { readonly scopes: readonly ScopeState[] }) => {
        noteWarnings(context, applied, scopes);
        return next({
          limitHeaders: limitHeaders(
            context.endpoint.family,
            applied.limits,
            applied.scopes,
            scopes,
            context.record.warnings,
          ),
        });
      };
      return attempt(ledger.nowMs(), maxStaleTries);
    },
  };
}

// functions of their own, so that their closures hold the account and not the request with its body

function settled(ledger: Ledger, account: Account, reply: Promise<GatewayReply>): Promise<GatewayReply> {
  return reply.then(
    (reply) => {
      settleLater(ledger, account, reply.outcome);
      return reply;
    },
    async (error: unknown) => {
      // nothing was delivered, so nothing but the request itself is counted; a caller that left may have cost something
      const gone = isGatewayError(error) && error.code === 'caller_gone';
      await settle(ledger, account, gone ? { kind: 'aborted', replyBytes: 0 } : undefined);
      throw error;
    },
  );
}

/** What settling needs of a request: as little as possible, since it is kept as long as a stream runs. */
interface Account {
  readonly id: string;
  readonly limits: readonly Limit[];
  readonly price: Price | undefined;
  readonly inputTokens: number;
  /** Output to count when a whole reply tells no usage. */
  readonly untoldOutputTokens: number;
}

function toAccount({ id, call, model }: Context, { limits }: Applied): Account {
  return {
    id,
    limits,
    price: model?.price,
    inputTokens: estimateInputTokens(call),
    // a response made in the background has its usage later, where nobody may look: all it may produce is counted
    untoldOutputTokens: call.endpoint.operation === 'response' ? outputHold(call, model) : 0,
  };
}

function settleLater(ledger: Ledger, account: Account, outcome: Promise<Outcome>): void {
  void outcome.then((ended) => settle(ledger, account, ended));
}

const noHeaders = Object.freeze({});
const maxStaleTries = 3;

/** Which limits concern a request, and how much of each it holds. Shared with `explain`. */
export function limitsFor(context: Subject, nowMs: number): Applied {
  const { limits, keys } = concernOf(context);
  const scopes: LedgerScope[] = [];
  for (let index = 0; index < limits.length; index++) {
    const limit = limits[index] as Limit;
    const { unit, amount, window } = limit;
    const hold = holdOf(limit, context.call, context.model);
    scopes.push({
      key: keys[index] as string,
      amount,
      hold,
      charge: unit === 'parallel' ? 0 : hold,
      mode: limit.mode === 'block' ? 'block' : 'count',
      span: window.spanAt(nowMs),
    });
  }
  return { limits, scopes };
}

interface Concern {
  readonly limits: readonly Limit[];
  /** The ledger key of each. */
  readonly keys: readonly string[];
}

// The same caller meets the same limits for the same model: their ledger keys are built once for each policy and
// principal, not for each request. Bounded, since callers name the models where the catalog has patterns.
const concerns = new WeakMap<Policy, WeakMap<Principal, Map<string, Concern>>>();
const maxModels = 1_000;

type Subject = Pick<Context, 'policy' | 'principal' | 'call' | 'model'>;

function concernOf({ policy, principal, call, model }: Subject): Concern {
  let byPrincipal = concerns.get(policy);
  if (!byPrincipal) {
    byPrincipal = new WeakMap();
    concerns.set(policy, byPrincipal);
  }
  let byModel = byPrincipal.get(principal);
  if (!byModel || byModel.size >= maxModels) {
    byModel = new Map();
    byPrincipal.set(principal, byModel);
  }
  // what callers pay themselves is told in the record, and is nobody's budget here
  const isOwn = billingOf({ policy, endpoint: call.endpoint }) === 'passthrough';
  const name = model?.name ?? '';
  const place = isOwn ? `own ${name}` : name;
  let found = byModel.get(place);
  if (!found) {
    const limits = policy.limits.filter(
      (limit) => scopeKeyOf(limit, principal, name) !== undefined && !(isOwn && limit.unit === 'usd'),
    );
    found = { limits, keys: limits.map((limit) => scopeKeyOf(limit, principal, name) as string) };
    byModel.set(place, found);
  }
  return found;
}

function holdOf({ unit }: Limit, call: Context['call'], model: Context['model']): number {
  if (unit === 'requests' || unit === 'parallel') return 1;
  const inputTokens = estimateInputTokens(call);
  const outputTokens = outputHold(call, model);
  if (unit === 'tokens') return inputTokens + outputTokens;
  return model?.price ? costOf({ inputTokens, outputTokens, source: 'estimated' }, model.price) : 0;
}

const producesNothing = new Set<Operation>([
  'embedding',
  'embed-content',
  'message-count-tokens',
  'count-tokens',
  'response-input-tokens',
  'moderation',
  'rerank',
  'response-resource',
  'message-batch-resource',
]);

function outputHold(call: Context['call'], model: Context['model']): number {
  if (producesNothing.has(call.endpoint.operation)) return 0;
  return call.maxOutputTokens ?? model?.maxOutputTokens ?? defaultOutputTokens;
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError(
    'store_unavailable',
    'The limits of this request cannot be checked at the moment. Try again shortly.',
    { cause, retryAfterSeconds: 1 },
  );
}

/** Settles with what was used; without an outcome only the request itself is counted. */
function settle(ledger: Ledger, account: Account, outcome: Outcome | undefined): Awaitable<void> {
  const usage = outcome && usageOf(outcome, account);
  const used: number[] = [];
  for (const { unit } of account.limits) used.push(usedOf(unit, usage, account.price));
  try {
    const settling = ledger.settle(account.id, used);
    return settling instanceof Promise ? settling.catch(ignore) : undefined;
  } catch {
    return undefined;
  }
}

// a ledger that cannot settle now lets the lease run out, which counts the whole hold: never too little
function ignore(): void {}

function usedOf(unit: LimitUnit, usage: Usage | undefined, price: Price | undefined): number {
  if (unit === 'requests') return 1;
  if (unit === 'parallel' || !usage) return 0;
  if (unit === 'tokens') return (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0);
  return price ? costOf(usage, price) : 0;
}

/** A request that left and brought no usage back is counted with its input, so that hiding usage makes nothing free. */
function usageOf(outcome: Outcome, { inputTokens, untoldOutputTokens }: Account): Usage | undefined {
  if (outcome.usage) return outcome.usage;
  if (outcome.kind === 'refused') return undefined;
  const outputTokens = outcome.kind === 'complete' ? untoldOutputTokens : 0;
  return { inputTokens, outputTokens, source: 'estimated' };
}

/** The model's own cap on what one request may cost, by its estimate. */
function refuseCostly({ call, model }: Context): void {
  if (model?.maxCostNanoUsd === undefined || !model.price) return;
  const usage = { inputTokens: estimateInputTokens(call), outputTokens: outputHold(call, model) };
  const cost = costOf({ ...usage, source: 'estimated' }, model.price);
  if (cost <= model.maxCostNanoUsd) return;
  throw new GatewayError(
    'request_too_costly',
    `This request could cost ${dollars(cost)} and ${model.name} allows ${dollars(model.maxCostNanoUsd)} for one. Shorten it or lower its maximum of output tokens.`,
    { retryable: false },
  );
}

function refuseImpossible({ limits, scopes }: Applied): void {
  for (let index = 0; index < limits.length; index++) {
    const limit = limits[index] as Limit;
    const { hold } = scopes[index] as LedgerScope;
    if (limit.mode !== 'block' || hold <= limit.amount) continue;
    throw new GatewayError(
      'request_too_costly',
      `This request could need ${show(hold, limit)} and the limit "${limit.label}" allows ${show(limit.amount, limit)} in all. Shorten it or lower its maximum of output tokens.`,
      { retryable: false },
    );
  }
}

function denial(
  { limits, scopes }: Applied,
  { deniedAt, scopes: states }: Extract<ReserveResult, { kind: 'denied' }>,
  nowMs: number,
): GatewayError {
  const limit = limits[deniedAt] as Limit;
  const state = states[deniedAt] as ScopeState;
  const left = show(Math.max(0, state.amount - state.used - state.held), limit);
  const resetsAtMs = limit.window.resetsAtMs((scopes[deniedAt] as LedgerScope).span);
  const waitMs = resetsAtMs === undefined ? 1_000 : resetsAtMs - nowMs;
  const reset = resetsAtMs === undefined ? 'when a running request ends' : new Date(resetsAtMs).toISOString();
  const message = `The limit "${limit.label}" is reached (${left} left). It resets ${reset}.`;
  if (limit.unit !== 'usd' && waitMs <= 60_000) {
    return new GatewayError('rate_limited', message, {
      retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
    });
  }
  return new GatewayError('budget_exceeded', message, { retryable: false });
}

function noteWarnings({ record }: Context, { limits }: Applied, states: readonly ScopeState[]): void {
  for (let index = 0; index < limits.length; index++) {
    const limit = limits[index] as Limit;
    const state = states[index];
    if (limit.mode !== 'warn' || !state || state.used + state.held <= state.amount) continue;
    record.warnings = [...(record.warnings ?? []), limit.label];
  }
}

function show(amount: number, { unit }: Limit): string {
  return unit === 'usd' ? dollars(amount) : `${amount} ${unit}`;
}

function dollars(nanoUsd: number): string {
  return `$${(nanoUsd / 1e9).toFixed(6)}`;
}
