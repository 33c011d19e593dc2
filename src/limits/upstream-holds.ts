import type { Call } from '../call.ts';
import type { Model, Snapshot } from '../config/snapshot.ts';
import { GatewayError } from '../errors.ts';
import type { Usage } from '../message.ts';
import type { Candidate } from '../routing/plan.ts';
import type { Runtime } from '../runtime.ts';
import type { RecordDraft } from '../telemetry/record.ts';
import { Account, type Settled, type UsageSource } from './account.ts';
import { toScopes } from './apply.ts';
import { estimateUsage } from './estimate.ts';
import type { Leases } from './leases.ts';
import type { Awaitable, Ledger, ReserveResult } from './ledger.ts';
import { type Limit, limitKeyOf } from './limit.ts';
import { refuseMixed, toUnavailable } from './refusals.ts';
import type { SubjectFacts } from './subject.ts';
import { untoldOf } from './untold.ts';

/** What holds are made with. */
export interface UpstreamHoldsFacts {
  readonly ledger: Ledger;
  readonly leases: Leases;
  readonly leaseMs: number;
  readonly settle: (account: Account, settled: Settled) => void;
  /** Id of the request. */
  readonly id: string;
  readonly model: Model | undefined;
  /** Those of a batch. */
  readonly models: readonly string[];
  readonly record: RecordDraft;
  readonly runtime: Runtime;
}

const maxStaleTries = 3;

/**
 * What the attempts of one request hold of the limits of providers and their credentials. Each attempt has a reservation
 * of its own, made before it is sent: a credential at its limit is skipped.
 */
export class UpstreamHolds {
  readonly #facts: UpstreamHoldsFacts;
  #count = 0;
  #serving: Account | undefined;
  #source: UsageSource | undefined;

  constructor(facts: UpstreamHoldsFacts) {
    this.#facts = facts;
  }

  /**
   * Holds what a call may use of a candidate's limits; undefined where it has none.
   *
   * @returns the hold, or the refusal for a candidate at its limit
   * @throws GatewayError `store_unavailable` (503); `malformed_request` (400) for a batch of several models
   */
  reserve(candidate: Candidate, call: Call): Awaitable<Account | GatewayError | undefined> {
    const { provider } = candidate.target;
    const { credential } = candidate;
    // what callers and projects pay for themselves is theirs to limit
    const isOurs = provider.credentials.includes(credential);
    const own = isOurs ? (credential.limits ?? []) : [];
    if (!isOurs || (provider.limits.length === 0 && own.length === 0)) return undefined;
    const facts: SubjectFacts = {
      provider: provider.id,
      credential: credential.id,
      model: this.#facts.model?.name,
    };
    refuseMixed(this.#facts.models, [...provider.limits, ...own]);
    const limits: Limit[] = [];
    const keys: string[] = [];
    for (const limit of [...provider.limits, ...own]) {
      const key = limitKeyOf(limit, facts);
      if (key === undefined) continue;
      limits.push(limit);
      keys.push(key);
    }
    if (limits.length === 0) return undefined;
    return this.#reserve({ limits, keys }, call, this.#facts.ledger.nowMs(), 0);
  }

  #reserve(
    concern: { readonly limits: readonly Limit[]; readonly keys: readonly string[] },
    call: Call,
    nowMs: number,
    tries: number,
  ): Awaitable<Account | GatewayError> {
    const { ledger, leaseMs, leases, id: request, model, record, runtime } = this.#facts;
    const { limits, keys } = concern;
    const usage = estimateUsage(call, model);
    const scopes = toScopes(limits, keys, usage, model?.price, nowMs);
    const id = `${request}/u${++this.#count}`;
    const decide = (result: ReserveResult): Awaitable<Account | GatewayError> => {
      if (result.kind === 'stale') {
        if (tries >= maxStaleTries)
          throw toUnavailable(new Error('The clock of the ledger leaves every window.'));
        return this.#reserve(concern, call, result.nowMs, tries + 1);
      }
      if (result.withoutLedger) record.degraded = true;
      if (result.kind === 'denied') {
        return toFull(limits[result.deniedAt] as Limit, nowMs);
      }
      const account = new Account({
        id,
        applied: { limits, scopes },
        price: model?.price,
        inputTokens: usage.inputTokens ?? 0,
        untold: untoldOf(call, usage.outputTokens ?? 0),
        // the request's own account fills its record
        record: { attempts: [] },
      });
      leases.add(account, runtime);
      return account;
    };
    let result: Awaitable<ReserveResult>;
    try {
      result = ledger.reserve(id, scopes, leaseMs);
    } catch (cause) {
      throw toUnavailable(cause);
    }
    return result instanceof Promise
      ? result.then(decide, (cause: unknown) => {
          throw toUnavailable(cause);
        })
      : decide(result);
  }

  /**
   * An attempt failed.
   *
   * @param isUncertain whether it may have cost something: then its input counts
   * @param usage what it reported, or is estimated to have used
   */
  fail(account: Account | undefined, isUncertain: boolean, usage?: Usage): void {
    if (account) this.#facts.settle(account, { kind: isUncertain ? 'aborted' : 'undelivered', usage });
  }

  /** An attempt was not made. */
  release(account: Account | undefined): void {
    if (account) this.#facts.settle(account, { kind: 'unsent' });
  }

  /** The caller gets the answer of an attempt. @param before what the attempt that it replaces has used */
  serve(account: Account | undefined, before?: Usage): void {
    this.fail(this.#serving, true, before);
    this.#serving = account;
    if (this.#source) account?.watch(this.#source);
  }

  /** Follows the reply that is on its way to the caller. */
  watch(source: UsageSource): void {
    this.#source = source;
    this.#serving?.watch(source);
  }

  /** The request has ended. */
  end(settled: Settled): void {
    if (this.#serving) this.#facts.settle(this.#serving, settled);
    this.#serving = undefined;
  }
}

/** The error when every candidate is at its limit; it does not tell whose limits they are. */
function toFull(limit: Limit, nowMs: number): GatewayError {
  const resetsAtMs = limit.window.resetsAtMs(limit.window.spanAt(nowMs));
  const waitMs =
    limit.unit === 'parallel'
      ? 1_000
      : resetsAtMs === undefined
        ? Number.POSITIVE_INFINITY
        : resetsAtMs - nowMs;
  if (waitMs <= 60_000) {
    const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
    const message =
      'What this gateway may ask of the providers of this model is used up for the moment. Try again later.';
    return new GatewayError('rate_limited', message, { retryAfterSeconds });
  }
  const message =
    'What this gateway may ask of the providers of this model is used up. Use another model, or tell the operator.';
  return new GatewayError('no_target_available', message, { retryable: false });
}

/** Whether any provider of a configuration has limits; without them requests allocate nothing for this. */
export function hasUpstreamLimits(providers: Snapshot['providers']): boolean {
  let found = known.get(providers);
  if (found === undefined) {
    found = [...providers.values()].some(
      ({ limits, credentials }) =>
        limits.length > 0 || credentials.some((credential) => (credential.limits?.length ?? 0) > 0),
    );
    known.set(providers, found);
  }
  return found;
}

const known = new WeakMap<object, boolean>();
