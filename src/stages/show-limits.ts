import type { Arrival, Identified, Received } from '../context.ts';
import { amountAt } from '../limits/amount.ts';
import { endUserOf } from '../limits/end-user.ts';
import { runsOutAtMs } from '../limits/forecast.ts';
import type { Ledger, ReadScope, ScopeState, Span } from '../limits/ledger.ts';
import { type Limit, limitKeyOf } from '../limits/limit.ts';
import type { RunScope } from '../limits/run.ts';
import type { SubjectFacts } from '../limits/subject.ts';
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
  /** In force now, raises included. */
  readonly amount: number;
  /** Null while the ledger cannot be read. */
  readonly used: number | null;
  /** By running requests; null while the ledger cannot be read. */
  readonly held: number | null;
  /** Null while the ledger cannot be read. */
  readonly remaining: number | null;
  /** When use begins to expire, ISO 8601; null for never, and for slots. */
  readonly resetsAt: string | null;
  /** When it runs out at its window's rate so far, ISO 8601; null when it resets before that or nothing is used. */
  readonly forecast: string | null;
  /** What happens to requests while the ledger is unavailable. */
  readonly onFailure: Limit['onFailure'];
}

/**
 * Answers `GET /headgate/limits`: the limits that apply to a caller's own requests, with the ledger's numbers, the same
 * that decide. `?model=<name>` adds the limits of a single model; the header of a run or an end user adds theirs.
 * Counts against no limit. While the ledger cannot be read it shows what is known without it, and `degraded`.
 *
 * @param isDegraded whether limits are currently decided without their ledger
 * @throws GatewayError `model_not_found` (404) for a model the caller may not use
 */
export async function showLimits(
  context: Context,
  ledger: Ledger,
  isDegraded: () => boolean,
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
    const key = limitKeyOf(limit, facts);
    if (key === undefined) continue;
    found.push({ limit, key, amount: amountAt(limit, nowMs), span: limit.window.spanAt(nowMs) });
  }
  const states = await statesOf(ledger, found);
  const degraded = states === undefined || isDegraded();
  const limits = found.map(({ limit, amount, span }, index) =>
    show(limit, amount, span, states?.[index], nowMs),
  );
  const headers = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-request-id': id,
    'request-id': endpoint.family === 'anthropic' ? id : undefined,
    'x-headgate-degraded': degraded ? 'limits' : undefined,
  };
  return toReply(200, headers, JSON.stringify({ object: 'list', degraded, data: limits }));
}

/** Undefined while the ledger cannot be read: what decides by it notices and reports that. */
async function statesOf(
  ledger: Ledger,
  scopes: readonly ReadScope[],
): Promise<readonly ScopeState[] | undefined> {
  try {
    return await ledger.peek(scopes);
  } catch {
    return undefined;
  }
}

function show(
  { label, unit, mode, per, window, onFailure }: Limit,
  amount: number,
  span: Span,
  state: ScopeState | undefined,
  nowMs: number,
): ShownLimit {
  const scale = unit === 'usd' ? 1e9 : 1;
  const resetsAtMs = window.resetsAtMs(span);
  const { used, held } = state ?? {};
  return {
    label,
    unit,
    mode,
    per,
    amount: amount / scale,
    used: used === undefined ? null : used / scale,
    held: held === undefined ? null : held / scale,
    remaining: state ? Math.max(0, amount - state.used - state.held) / scale : null,
    resetsAt: toTime(resetsAtMs),
    forecast: unit === 'parallel' || !state ? null : toTime(runsOutAtMs(state, span, resetsAtMs, nowMs)),
    onFailure,
  };
}

function toTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
