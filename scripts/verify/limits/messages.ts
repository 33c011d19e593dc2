import type { GatewayConfig } from '../../../src/config/schema.ts';
import type { ScopeEntry } from './entries.ts';
import type { LedgerName } from './ledgers.ts';
import type { LoadOptions, LoadReport } from './load.ts';
import type { Served } from './upstream.ts';

/** What children are told. */
export type ToChild =
  | StartNode
  | { readonly type: 'start-upstream' }
  | ({ readonly type: 'start-load' } & LoadOptions)
  | ({ readonly type: 'start-hammer' } & HammerOptions)
  /** To the load: stop and report. To the upstream: report. To a gateway: report and close. */
  | { readonly type: 'finish' };

/** One gateway process. */
export interface StartNode {
  readonly type: 'start-node';
  readonly ledger: LedgerName;
  readonly storeUrl: string;
  readonly config: GatewayConfig;
  readonly journalPath: string;
}

/** Direct use of a ledger. */
export interface HammerOptions {
  readonly ledger: LedgerName;
  readonly storeUrl: string;
  readonly name: string;
  readonly reservations: number;
  /** A second; 0 for as fast as it goes. */
  readonly rate: number;
  readonly amount: number;
}

/** What children tell. */
export type FromChild =
  | { readonly type: 'ready'; readonly url: string }
  | { readonly type: 'scope'; readonly scope: ScopeEntry }
  | { readonly type: 'report'; readonly report: LoadReport | readonly Served[] | HammerReport | NodeReport };

/** What a gateway process did, by its own account. */
export interface NodeReport {
  /** Of a leasing ledger: decisions in memory and by a round trip. */
  readonly memoryDecisions: number;
  readonly sharedDecisions: number;
}

/** What a process has used of a ledger. */
export interface HammerReport {
  readonly granted: number;
  readonly denied: number;
  readonly failed: number;
  readonly used: number;
  readonly ms: number;
  /** Of the calls of `reserve`, in microseconds. */
  readonly p50Us: number;
  readonly p99Us: number;
  readonly memoryDecisions: number;
  readonly sharedDecisions: number;
}
