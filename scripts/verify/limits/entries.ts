import type { LedgerScope, ReserveResult, Span } from '../../../src/limits/ledger.ts';
import type { RequestRecord } from '../../../src/telemetry/record.ts';

/** What one gateway has done, line by line: it is written before and after each call of the ledger. Times: `clockMs`. */
export type Entry =
  | ScopeEntry
  | ReserveEntry
  | AnswerEntry
  | RenewEntry
  | SettleEntry
  | { readonly kind: 'settled'; readonly id: string; readonly atMs: number }
  /** One id got two answers. */
  | { readonly kind: 'odd'; readonly id: string; readonly what: string }
  | { readonly kind: 'record'; readonly record: RequestRecord };

/** A scope in one bucket, before its first reservation. */
export interface ScopeEntry {
  readonly kind: 'scope';
  /** Names it in this journal. */
  readonly number: number;
  readonly key: string;
  readonly amount: number;
  readonly mode: LedgerScope['mode'];
  /** JSON has no infinity: `null` stands for it. */
  readonly span: { readonly [Name in keyof Span]: Span[Name] | null };
}

/** A reservation is about to be asked for. */
export interface ReserveEntry {
  readonly kind: 'reserve';
  readonly id: string;
  readonly atMs: number;
  /** The ledger's clock, as far as the gateway knows it. */
  readonly wallMs: number;
  readonly leaseMs: number;
  /** Number, hold and charge of each scope. */
  readonly scopes: readonly (readonly [number: number, hold: number, charge: number])[];
}

/** What became of it. */
export interface AnswerEntry {
  readonly kind: 'answer';
  readonly id: string;
  readonly atMs: number;
  readonly answer: ReserveResult['kind'] | 'failed';
  readonly deniedAt?: number;
  /** Whether the ledger answered without a promise. */
  readonly isAtOnce: boolean;
}

/** A renewal is about to be asked for. */
export interface RenewEntry {
  readonly kind: 'renew';
  readonly id: string;
  readonly atMs: number;
  readonly leaseMs: number;
  readonly charges?: readonly number[];
}

/** A settlement is about to be asked for. */
export interface SettleEntry {
  readonly kind: 'settle';
  readonly id: string;
  readonly atMs: number;
  readonly used: readonly number[];
}

/** Takes entries; what it has taken outlives the process. */
export interface Journal {
  write(entry: Entry): void;
}

/** The span as the ledger takes it. */
export function toSpan({ span }: ScopeEntry): Span {
  return {
    ...(span as Span),
    untilMs: span.untilMs ?? Number.POSITIVE_INFINITY,
    forgetMs: span.forgetMs ?? Number.POSITIVE_INFINITY,
  };
}
