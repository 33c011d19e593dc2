import type { Call } from '../call.ts';
import type { Model, Policy } from '../config/snapshot.ts';
import type { GatewayRequest, Usage } from '../message.ts';
import type { Metadata } from '../metadata.ts';
import type { Principal } from '../principal.ts';
import { amountAt } from './amount.ts';
import { countTokens, mostTokens } from './count-tokens.ts';
import { endUserOf } from './end-user.ts';
import type { LedgerScope } from './ledger.ts';
import { type FailurePolicy, isKeyOfCaller, type Limit, limitKeyOf } from './limit.ts';
import { costOf, type Price } from './price.ts';
import { refuseMissing } from './refusals.ts';
import type { RunScope } from './run.ts';
import type { SubjectFacts } from './subject.ts';

/** A scope as the stages make it: with what happens to it while the ledger is unavailable. */
export interface LimitScope extends LedgerScope {
  readonly onFailure: FailurePolicy;
}

/** The limits that apply to a request, each with its ledger scope at the same index. */
export interface Applied {
  readonly limits: readonly Limit[];
  readonly scopes: readonly LimitScope[];
}

/** What limits need of a request. */
export interface Limited {
  readonly policy: Policy;
  readonly principal: Principal;
  readonly metadata: Metadata;
  readonly request: Pick<GatewayRequest, 'headers'>;
  readonly call: Call;
  readonly model: Model | undefined;
  /** The agent run that the request is part of. */
  readonly run?: RunScope | undefined;
  /** Whether the caller pays the provider itself. */
  readonly isOwn: boolean;
}

interface Concern {
  readonly limits: readonly Limit[];
  /** The ledger key of each. */
  readonly keys: readonly string[];
  /** Limits whose keys differ from request to request. */
  readonly others: readonly Limit[];
}

/** Which limits apply to a request, with their ledger keys. @throws GatewayError when it lacks what a limit requires */
export function concernOf(limited: Limited): Concern {
  const concern = concernOfCaller(limited);
  const { run } = limited;
  const runLimits = run?.limits;
  if (concern.others.length === 0 && runLimits === undefined) return concern;
  const { principal, metadata, model, request, call, isOwn } = limited;
  const facts: SubjectFacts = {
    principal,
    model: model?.name,
    metadata,
    run: run?.id,
    endUser: endUserOf(request.headers, call),
  };
  const limits = [...concern.limits];
  const keys = [...concern.keys];
  for (const limit of [...concern.others, ...(runLimits ?? [])]) {
    if (isOwn && limit.unit === 'usd') continue;
    const key = limitKeyOf(limit, facts);
    if (key === undefined) {
      refuseMissing(limit, facts);
      continue;
    }
    limits.push(limit);
    keys.push(key);
  }
  return { limits, keys, others: concern.others };
}

// The same caller meets the same limits for the same model: their ledger keys are built once for each policy and
// principal, not for each request. Bounded, since callers name the models where the catalog has patterns.
const concerns = new WeakMap<Principal, Known>();
const maxModels = 1_000;

/** What is known of a principal under one policy, with its last concern at hand. */
interface Known {
  readonly policy: Policy;
  readonly byModel: Map<string, Concern>;
  model: Model | undefined;
  isOwn: boolean;
  concern: Concern | undefined;
}

function concernOfCaller(limited: Limited): Concern {
  const { policy, principal, model, isOwn } = limited;
  let known = concerns.get(principal);
  if (known?.policy !== policy) {
    known = { policy, byModel: new Map(), model: undefined, isOwn: false, concern: undefined };
    concerns.set(principal, known);
  }
  if (known.concern !== undefined && known.model === model && known.isOwn === isOwn) return known.concern;
  known.concern = findConcern(known.byModel, limited);
  known.model = model;
  known.isOwn = isOwn;
  return known.concern;
}

function findConcern(byModel: Map<string, Concern>, { policy, principal, model, isOwn }: Limited): Concern {
  // what callers pay for themselves is in the record, and counts against no budget here
  const name = model?.name ?? '';
  const place = `${isOwn} ${name}`;
  let found = byModel.get(place);
  if (!found) {
    const facts: SubjectFacts = { principal, model: name };
    const limits: Limit[] = [];
    const keys: string[] = [];
    const others: Limit[] = [];
    for (const limit of policy.limits) {
      if (isOwn && limit.unit === 'usd') continue;
      const key = isKeyOfCaller(limit) ? limitKeyOf(limit, facts) : undefined;
      if (key !== undefined) {
        limits.push(limit);
        keys.push(key);
      } else if (!isKeyOfCaller(limit) || limit.required) others.push(limit);
    }
    found = { limits, keys, others };
    if (byModel.size >= maxModels) byModel.clear();
    byModel.set(place, found);
  }
  return found;
}

/** The ledger scopes of limits at an instant, for a request that may use `usage`. */
export function toScopes(
  limits: readonly Limit[],
  keys: readonly string[],
  usage: Usage,
  price: Price | undefined,
  nowMs: number,
): LimitScope[] {
  const scopes = new Array<LimitScope>(limits.length);
  for (let index = 0; index < limits.length; index++) {
    const limit = limits[index] as Limit;
    scopes[index] = {
      key: keys[index] as string,
      amount: amountAt(limit, nowMs),
      hold: holdOf(limit, usage, price),
      charge: chargeOf(limit, usage, price),
      mode: limit.mode === 'block' ? 'block' : 'count',
      span: limit.window.spanAt(nowMs),
      onFailure: limit.onFailure,
    };
  }
  return scopes;
}

/** The most that a request can take of a limit. */
function holdOf(limit: Limit, usage: Usage, price: Price | undefined): number {
  const { unit, tokens } = limit;
  if (unit === 'requests' || unit === 'parallel') return 1;
  if (unit === 'usd') return price ? bounded(costOf(usage, price), limit) : 0;
  return bounded(mostTokens(tokens, usage.inputTokens ?? 0, usage.outputTokens ?? 0), limit);
}

/** The least that it takes once it is sent: its input. */
function chargeOf(limit: Limit, { inputTokens = 0 }: Usage, price: Price | undefined): number {
  if (limit.unit === 'requests') return 1;
  return usedOf(limit, { inputTokens, source: 'estimated' }, price);
}

/** What a limit counts for a request with this usage; without usage, only the request. */
export function usedOf(limit: Limit, usage: Usage | undefined, price: Price | undefined): number {
  const { unit, tokens } = limit;
  if (unit === 'requests') return 1;
  if (unit === 'parallel' || !usage) return 0;
  if (unit === 'usd') return price ? bounded(costOf(usage, price), limit) : 0;
  return bounded(countTokens(tokens, usage), limit);
}

/**
 * Keeps callers and providers from naming a number that a ledger refuses, or that fills a count that lets everything
 * pass: no real request exceeds 2^40 tokens or 2^48 nano-USD (281,000 dollars), not even a batch of 100,000.
 */
function bounded(amount: number, { unit, mode }: Limit): number {
  const most = mode === 'block' ? Number.MAX_SAFE_INTEGER : unit === 'usd' ? 2 ** 48 : 2 ** 40;
  return amount < most ? amount : most;
}
