import { matchesAny } from '../config/patterns.ts';
import type { LimitConfig } from '../config/schema.ts';
import type { Principal } from '../principal.ts';
import type { LimitUnit } from './ledger.ts';
import { toNanoUsd } from './price.ts';
import { createFixedWindow, noWindow, type Window } from './window.ts';

/** A limit ready to be applied. */
export interface Limit {
  /** As callers and operators see it: `team payments: 100 requests per 1m`. */
  readonly label: string;
  /** Ledger key without the subject. */
  readonly prefix: string;
  readonly unit: LimitUnit;
  /** In units; nano-USD for `usd`. */
  readonly amount: number;
  readonly window: Window;
  readonly per: NonNullable<LimitConfig['per']>;
  readonly mode: 'block' | 'warn';
  readonly models: readonly string[] | undefined;
}

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a window such as `1m`; the schema has checked its form. */
export function toWindowMs(window: string): number {
  return Number(window.slice(0, -1)) * unitMs[window.at(-1) as keyof typeof unitMs];
}

/**
 * Compiles a limit. `origin` says where it stands (`profile standard`, `team payments`, `organisation`): the same limit
 * written in two places counts twice.
 */
export function toLimit(config: LimitConfig, origin: string, defaultPer: Limit['per']): Limit {
  const per = config.per ?? defaultPer;
  const models = config.models ? `/${config.models.join(',')}` : '';
  const span = config.window ? ` per ${config.window}` : ' at once';
  return {
    label: `${origin}: ${config.amount} ${config.unit}${span} for each ${per}${config.models ? ` on ${config.models.join(', ')}` : ''}`,
    prefix: `${origin}/${config.unit}/${config.window ?? ''}/${config.mode}${models}`,
    unit: config.unit,
    amount: config.unit === 'usd' ? toNanoUsd(config.amount) : Number(config.amount),
    window: config.window ? createFixedWindow(config.window, toWindowMs(config.window)) : noWindow,
    per,
    mode: config.mode,
    models: config.models,
  };
}

/** The ledger key of a limit for a caller; undefined when the limit does not concern this caller or model. */
export function scopeKeyOf(limit: Limit, principal: Principal, model: string): string | undefined {
  if (limit.models && !matchesAny(limit.models, model)) return undefined;
  switch (limit.per) {
    case 'organisation':
      return limit.prefix;
    case 'team':
      return `${limit.prefix}/team=${principal.team}`;
    case 'key':
      return `${limit.prefix}/key=${principal.key}`;
    case 'project':
      return principal.project === undefined ? undefined : `${limit.prefix}/project=${principal.project}`;
    case 'user':
      return principal.user === undefined ? undefined : `${limit.prefix}/user=${principal.user}`;
  }
}
