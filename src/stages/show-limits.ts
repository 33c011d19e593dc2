import type { Arrival, Identified, Received } from '../context.ts';
import { amountAt } from '../limits/amount.ts';
import { endUserOf } from '../limits/end-user.ts';
import { runsOutAtMs } from '../limits/forecast.ts';
import type { Ledger, ScopeState, Span } from '../limits/ledger.ts';
import type { Limit } from '../limits/limit.ts';
import { toUnavailable } from '../limits/refusals.ts';
import type { RunScope } from '../limits/run.ts';
import { type SubjectFacts, subjectKey } from '../limits/subject.ts';
import type { GatewayReply } from '../message.ts';
import { toReply } from '../reply.ts';
import { permittedModel } from './authorize-model.ts';

type Context = Arrival & Identified & Received;

/** One limit of a caller, as `GET /headgate/limits` shows it. Amounts are in units; US dollars for `usd`. */
export interface ShownLimit {
  readonly label: string;
  readonly unit: Limit['unit'];
  readonly mode: Limit['mode'];
  /** Whose use is added up. */
  readonly per: Limit['per'];
  /** What holds now, raises included. */
  readonly amount: number;
  readonly used: number;
  /** By requests that are running. */
  readonly held: number;
  readonly remaining: number;
  /** When use begins to count no more, ISO 8601; null for never, and for slots. */
  readonly resetsAt: string | null;
  /** When it runs out at the rate of its window so far, ISO 8601; null when it resets before that or nothing is used. */
  readonly forecast: string | null;
}

/**
 * Answers `GET /headgate/limits`: the limits that a caller's own requests meet, as the ledger has them, the same numbers that
 * decide. Limits for single models are among them with `?model=<name>`, those of a run or an end user with their header.
 * Counts against no limit.
 *
 * @throws GatewayError `model_not_found` (404) for a model the caller may not use, `store_unavailable` (503)
 */
export async function showLimits(
  context: Context,
  ledger: Ledger,
  degraded: boolean,
  run?: RunScope,
): Promise<GatewayReply> {
  const { id, policy, principal, metadata, request, call, endpoint, snapshot, runtime } = context;
  const name = new URLSearchParams(request.query).get('model') ?? undefined;
  const nowMs = ledger.nowMs();
  const facts: SubjectFacts = {
    principal,
    metadata,
    model: name && permittedModel(name, snapshot, policy, runtime.now()).model.name,
    run: run?.id,
    endUser: endUserOf(request.headers, call),
  };
  const found: {
    readonly limit: Limit;
    readonly key: string;
    readonly amount: number;
    readonly span: Span;
  }[] = [];
  for (const limit of [...policy.limits, ...(run?.limits ?? [])]) {
    const key = subjectKey(limit.prefix, limit.per, facts);
    if (key === undefined) continue;
    found.push({ limit, key, amount: amountAt(limit, nowMs), span: limit.window.spanAt(nowMs) });
  }
  let states: readonly ScopeState[];
  try {
    states = await ledger.peek(found);
  } catch (cause) {
    throw toUnavailable(cause);
  }
  const limits = found.map(({ limit, span }, index) => show(limit, span, states[index] as ScopeState, nowMs));
  const headers = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-request-id': id,
    'request-id': endpoint.family === 'anthropic' ? id : undefined,
  };
  return toReply(200, headers, JSON.stringify({ object: 'list', degraded, data: limits }));
}

function show(
  { label, unit, mode, per, window }: Limit,
  span: Span,
  state: ScopeState,
  nowMs: number,
): ShownLimit {
  const { amount, used, held } = state;
  const scale = unit === 'usd' ? 1e9 : 1;
  const resetsAtMs = window.resetsAtMs(span);
  return {
    label,
    unit,
    mode,
    per,
    amount: amount / scale,
    used: used / scale,
    held: held / scale,
    remaining: Math.max(0, amount - used - held) / scale,
    resetsAt: toTime(resetsAtMs),
    forecast: unit === 'parallel' ? null : toTime(runsOutAtMs(state, span, resetsAtMs, nowMs)),
  };
}

function toTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
