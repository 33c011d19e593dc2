import type { GatewayConfig } from '../../../src/config/schema.ts';
import type { Pace, PaceReport } from '../leasing/pace.ts';
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
  | ({ readonly type: 'start-pace' } & PaceOptions)
  /** To whoever uses a ledger directly: begin. */
  | { readonly type: 'begin' }
  /** To the load: stop and report. To the upstream: report. To a gateway: report and close. */
  | { readonly type: 'finish' };

/** One gateway process. */
export interface StartNode {
  readonly type: 'start-node';
  readonly ledger: LedgerName;
  readonly storeUrl: string;
  readonly config: GatewayConfig;
  readonly journalPath: string;
  /** Whether it gives its ledger up as soon as it does by default. */
  readonly areDefaults: boolean;
}

/** Direct use of a ledger. */
export interface HammerOptions {
  readonly ledger: LedgerName;
  readonly storeUrl: string;
  readonly journalPath: string;
  /** Names the process. */
  readonly name: string;
  readonly reservations: number;
}

/** Use of a ledger at a steady pace. */
export interface PaceOptions {
  readonly ledger: LedgerName;
  readonly storeUrl: string;
  /** Names the process. */
  readonly team: string;
  /** Before it is measured. */
  readonly warmUp: Pace;
  readonly pace: Pace;
}

/** What a process made of it, and where it was decided. */
export type PacedReport = PaceReport & Pick<NodeReport, 'memoryDecisions' | 'sharedDecisions'>;

/** What children tell. */
export type FromChild =
  | { readonly type: 'ready'; readonly url: string }
  /** All that was asked for is made. */
  | { readonly type: 'done' }
  | { readonly type: 'scope'; readonly scope: ScopeEntry }
  | { readonly type: 'report'; readonly report: LoadReport | readonly Served[] | NodeReport | PacedReport };

/** What a gateway process did, by its own account. */
export interface NodeReport {
  /** Of a leasing ledger: decisions in memory and by a round trip. */
  readonly memoryDecisions: number;
  readonly sharedDecisions: number;
  /** When it gave its ledger up, and when it had it back, by `clockMs`. */
  readonly changes: readonly { readonly state: 'healthy' | 'degraded'; readonly atMs: number }[];
}
