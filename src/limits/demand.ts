import type { Call } from '../call.ts';
import type { Model } from '../config/snapshot.ts';
import type { Usage } from '../message.ts';
import { type Applied, type LimitScope, toScopes } from './apply.ts';
import { type ClampedCall, clampOutput } from './clamp.ts';
import type { ScopeState } from './ledger.ts';
import type { Limit } from './limit.ts';
import { findImpossible } from './refusals.ts';

/** What one request asks of the limits that apply to it, until they have granted it. */
export class Demand implements Applied {
  readonly limits: readonly Limit[];
  readonly #keys: readonly string[];
  readonly #call: Call;
  readonly #model: Model | undefined;
  readonly #mayClamp: boolean;
  scopes: readonly LimitScope[] = [];
  /** The most that the request may use. */
  usage: Usage;
  /** The call with less output, once it has been clamped. */
  clamped: ClampedCall | undefined;
  /** When its scopes were measured, by the ledger's clock. */
  nowMs = 0;

  /** @param mayClamp whether its output may be lowered to what is left */
  constructor(
    { limits, keys }: { readonly limits: readonly Limit[]; readonly keys: readonly string[] },
    usage: Usage,
    call: Call,
    model: Model | undefined,
    mayClamp: boolean,
  ) {
    this.limits = limits;
    this.#keys = keys;
    this.usage = usage;
    this.#call = call;
    this.#model = model;
    this.#mayClamp = mayClamp;
  }

  /** Puts it into the windows of an instant. */
  measure(nowMs: number): void {
    this.nowMs = nowMs;
    this.scopes = toScopes(this.limits, this.#keys, this.usage, this.#model?.price, nowMs);
  }

  /** Index of the first limit that could never hold it; -1 when there is none. */
  findImpossible(): number {
    return findImpossible(this.limits, this.scopes, this.nowMs);
  }

  /**
   * Lowers the output to what is left, where that is allowed and of use.
   *
   * @param states what the ledger found; undefined to fit it into the limits themselves
   * @returns whether it now asks for less and may be granted
   */
  clamp(states: readonly ScopeState[] | undefined): boolean {
    if (!this.#mayClamp) return false;
    const clamped = clampOutput(this.clamped ?? this.#call, this, states, this.usage, this.#model?.price);
    if (!clamped) return false;
    this.clamped = clamped;
    this.usage = { ...this.usage, outputTokens: clamped.maxOutputTokens as number };
    this.measure(this.nowMs);
    return this.findImpossible() < 0;
  }
}
