import type { GatewayConfig } from '../../../src/config/schema.ts';
import type { ReadScope } from '../../../src/limits/ledger.ts';
import type { Holdings } from './leaks.ts';

/** What a gateway process is started with. */
export interface GatewayStart {
  readonly config: GatewayConfig;
  readonly port: number;
  /** The file of the ledger that all of them share. */
  readonly ledgerFile: string;
  /** A line for each record is appended to it, before anything else happens. */
  readonly recordsFile: string;
}

/** What a gateway process is told: to start, to tell what it holds, to end. */
export type ToGateway =
  | { readonly type: 'start'; readonly start: GatewayStart }
  | { readonly type: 'measure' }
  | { readonly type: 'finish' };

/** What is left when a gateway has closed. */
export interface GatewayReport {
  readonly holdings: Holdings;
  /** What its requests were counted by. */
  readonly scopes: readonly ReadScope[];
  readonly rejections: readonly string[];
  /** What it told its host of. */
  readonly errors: readonly string[];
}

/** What a gateway process says. */
export type FromGateway =
  | { readonly type: 'ready' }
  | { readonly type: 'measured'; readonly holdings: Holdings }
  | { readonly type: 'finished'; readonly report: GatewayReport };

/** A record, as far as the soak looks at it. */
export interface Noted {
  readonly id: string;
  readonly attempts: number;
  /** What became of it, in words: status, error and the attempts. */
  readonly end: string;
}
