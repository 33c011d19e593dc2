import type { Arrival, Authorized, Identified, Received, Reserved } from '../context.ts';
import { GatewayError, isGatewayError } from '../errors.ts';
import { defaultOutputTokens, estimateInputTokens } from '../limits/estimate.ts';
import { limitHeaders } from '../limits/headers.ts';
import type { Ledger, LedgerScope, ReserveResult, ScopeState } from '../limits/ledger.ts';
import { type Limit, scopeKeyOf } from '../limits/limit.ts';
import { costOf } from '../limits/price.ts';
import type { GatewayReply, Outcome, Usage } from '../message.ts';
import type { Stage } from '../pipeline.ts';

type Context = Arrival & Identified & Received & Authorized;

/** A limit that concerns a request, with the ledger scope it draws from. */
interface Applied {
  readonly limit: Limit;
  readonly scope: LedgerScope;
}

/**
 * Holds what the request may use of every limit that concerns it, all or nothing, before anything leaves; and settles
 * with what it did use when its outcome is known.
 *
 * @param options.leaseMs how long a hold outlives a gateway that died. @default 600_000
 * @throws GatewayError `rate_limited` (429) when waiting up to a minute helps, `budget_exceeded` (402) when it does not,
 *   `request_too_costly` (400) when the request alone exceeds a limit, `store_unavailable` (503) when the ledger fails.
 */
export function rateLimit(options: {
  readonly ledger: Ledger;
  readonly leaseMs?: number;
}): Stage<Context, Reserved> {
  const { ledger } = options;
  const leaseMs = options.leaseMs ?? 600_000;
  return {
    name: 'rateLimit',
    async run(context, next) {
      const applied = limitsFor(context);
      if (applied.length === 0) return next({ limitHeaders: noHeaders });
      for (const { limit, scope } of applied) refuseIfImpossible(limit, scope);
      const result = await reserve(ledger, context, applied, leaseMs);
      if (!result.granted) throw denial(applied, result.denied, context.runtime.now());
      noteWarnings(context, applied, result.scopes);

      let reply: GatewayReply;
      try {
        reply = await next({
          limitHeaders: limitHeaders(
            context.endpoint.family,
            applied,
            result.scopes,
            context.record.warnings,
          ),
        });
      } catch (error) {
        // nothing was delivered, so nothing but the request itself is counted; a caller that left may have cost something
        const gone = isGatewayError(error) && error.code === 'caller_gone';
        const usage: Usage | undefined = gone
          ? { inputTokens: estimateInputTokens(context.call), source: 'estimated' }
          : undefined;
        await settle(ledger, context, applied, usage);
        throw error;
      }
      void reply.outcome.then((outcome) => settle(ledger, context, applied, usageOf(outcome, context)));
      return reply;
    },
  };
}

const noHeaders = Object.freeze({});

/** Which limits concern a request, and how much of each it holds. Shared with `explain`. */
export function limitsFor({
  policy,
  principal,
  call,
  model,
}: Pick<Context, 'policy' | 'principal' | 'call' | 'model'>): Applied[] {
  const applied: Applied[] = [];
  for (const limit of policy.limits) {
    const key = scopeKeyOf(limit, principal, model?.name ?? '');
    if (key === undefined) continue;
    const { unit, amount, mode, windowMs } = limit;
    const hold = holdOf(limit, call, model);
    applied.push({
      limit,
      scope: { key, unit, amount, mode, hold, ...(windowMs !== undefined && { windowMs }) },
    });
  }
  return applied;
}

function holdOf({ unit }: Limit, call: Context['call'], model: Context['model']): number {
  if (unit === 'requests' || unit === 'parallel') return 1;
  const inputTokens = estimateInputTokens(call);
  const produces =
    call.endpoint.operation !== 'embedding' && call.endpoint.operation !== 'message-count-tokens';
  const outputTokens = !produces
    ? 0
    : (call.maxOutputTokens ?? model?.maxOutputTokens ?? defaultOutputTokens);
  if (unit === 'tokens') return inputTokens + outputTokens;
  return model?.price ? costOf({ inputTokens, outputTokens, source: 'estimated' }, model.price) : 0;
}

async function reserve(
  ledger: Ledger,
  { id }: Context,
  applied: readonly Applied[],
  leaseMs: number,
): Promise<ReserveResult> {
  try {
    return await ledger.reserve(
      id,
      applied.map(({ scope }) => scope),
      leaseMs,
    );
  } catch (cause) {
    throw new GatewayError(
      'store_unavailable',
      'The limits of this request cannot be checked at the moment. Try again shortly.',
      { cause, retryAfterSeconds: 1 },
    );
  }
}

async function settle(
  ledger: Ledger,
  context: Context,
  applied: readonly Applied[],
  usage: Usage | undefined,
): Promise<void> {
  const used: Record<string, number> = {};
  for (const { scope } of applied) used[scope.key] = usedOf(scope, context, usage);
  // a ledger that cannot settle now lets the lease run out, which counts the whole hold: never too little
  await ledger.settle(context.id, used).catch(() => undefined);
}

function usedOf({ unit }: LedgerScope, { model }: Context, usage: Usage | undefined): number {
  if (unit === 'requests') return 1;
  if (unit === 'parallel' || !usage) return 0;
  if (unit === 'tokens') return (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0);
  return model?.price ? costOf(usage, model.price) : 0;
}

/** A request that left and brought no usage back is counted with its input, so that hiding usage makes nothing free. */
function usageOf(outcome: Outcome, { call }: Context): Usage | undefined {
  if (outcome.usage) return outcome.usage;
  if (outcome.kind === 'refused') return undefined;
  return { inputTokens: estimateInputTokens(call), source: 'estimated' };
}

function refuseIfImpossible(limit: Limit, { hold }: LedgerScope): void {
  if (limit.mode !== 'block' || hold <= limit.amount) return;
  throw new GatewayError(
    'request_too_costly',
    `This request could need ${show(hold, limit)} and the limit "${limit.label}" allows ${show(limit.amount, limit)} in all. Shorten it or lower its maximum of output tokens.`,
    { retryable: false },
  );
}

function denial(applied: readonly Applied[], denied: ScopeState, nowMs: number): GatewayError {
  const limit = applied.find(({ scope }) => scope.key === denied.key)?.limit as Limit;
  const left = show(Math.max(0, denied.amount - denied.used - denied.held), limit);
  const waitMs = denied.resetsAtMs === undefined ? 1_000 : denied.resetsAtMs - nowMs;
  const reset =
    denied.resetsAtMs === undefined
      ? 'when a running request ends'
      : new Date(denied.resetsAtMs).toISOString();
  const message = `The limit "${limit.label}" is reached (${left} left). It resets ${reset}.`;
  if (limit.unit !== 'usd' && waitMs <= 60_000) {
    return new GatewayError('rate_limited', message, {
      retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
    });
  }
  return new GatewayError('budget_exceeded', message, { retryable: false });
}

function noteWarnings({ record }: Context, applied: readonly Applied[], states: readonly ScopeState[]): void {
  for (const { limit, scope } of applied) {
    if (limit.mode !== 'warn') continue;
    const state = states.find(({ key }) => key === scope.key);
    if (state && state.used + state.held > state.amount)
      record.warnings = [...(record.warnings ?? []), limit.label];
  }
}

function show(amount: number, { unit }: Limit): string {
  return unit === 'usd' ? `$${(amount / 1e9).toFixed(6)}` : `${amount} ${unit}`;
}
