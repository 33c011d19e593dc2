import type { BackendName } from './backends.ts';
import type { Scale } from './scale-site.ts';

/** What a child is started with; the first message that it gets. */
export type StartMessage = StartNode | StartLoad | StartUpstream | StartScale;

/** One gateway over the stores. */
export interface StartNode {
  readonly type: 'start';
  readonly backend: BackendName;
  readonly storeUrl: string;
  /** Key encryption key, base64. */
  readonly secretKey: string;
}

/** The steady load on all nodes. */
export interface StartLoad {
  readonly type: 'start';
  readonly nodeUrls: readonly string[];
  /** A key and a model that stay good. */
  readonly key: string;
  readonly model: string;
  /** Requests a second to each node. */
  readonly rate: number;
  readonly boundMs: number;
}

/** The provider. */
export interface StartUpstream {
  readonly type: 'start';
}

/** A large site, measured beside a small one. */
export interface StartScale {
  readonly type: 'start';
  readonly scale: Scale;
}

/** What the large site costs. */
export interface ScaleReport {
  readonly type: 'scale';
  /** Processor time of a compilation of the configuration: the median of several, and the slowest. */
  readonly compileMs: number;
  readonly slowestCompileMs: number;
  /** Everything that the process holds after a collection, in millions of bytes; and what is resident. */
  readonly memoryMb: number;
  readonly residentMb: number;
  /** Processor time of a request to the small site, which has 10 of everything, microseconds. */
  readonly requestUs: number;
  /**
   * What a request to the large site costs in terms of that: by ten callers as there; by one of every profile, each with
   * some requests in a row; and by all of these in turn, so that the processor fetches the data of each anew.
   */
  readonly costByFew: number;
  readonly costByMany: number;
  readonly costInTurn: number;
  /** The same from socket to socket: at the small site, and in terms of that at the large one, all in turn. */
  readonly httpUs: number;
  readonly httpCostInTurn: number;
}

/** To the process of callers: who calls a site, and where it is. */
export interface CallersMessage {
  readonly type: 'callers';
  readonly site: string;
  readonly url: string;
  readonly calls: readonly { readonly key: string; readonly model: string }[];
}

/** To the process of callers: so many requests to a site, by its callers in turn. */
export interface AskMessage {
  readonly type: 'ask';
  readonly site: string;
  readonly count: number;
}

/** What a child says when it works. */
export interface ReadyMessage {
  readonly type: 'ready';
  readonly url: string;
}

/** A credential or model that nobody may be served with any more; the load goes on asking. */
export interface Ended {
  readonly key?: string;
  readonly model?: string;
  readonly completedAtMs: number;
}

/** What the load is told while it runs. */
export type LoadMessage =
  | { readonly type: 'ended'; readonly ended: Ended }
  | { readonly type: 'rotated'; readonly number: number; readonly completedAtMs: number }
  | { readonly type: 'report' };

/** What the load has seen so far. */
export interface LoadReport {
  readonly type: 'report';
  readonly seconds: number;
  /** Requests with what is good. */
  readonly good: number;
  /** Of those, how many were not served, by status or error. */
  readonly failures: Readonly<Record<string, number>>;
  /** Requests with what has ended. */
  readonly ended: number;
  /** Of those, how many were neither served nor refused as they must be. */
  readonly unexpected: Readonly<Record<string, number>>;
  /** Served by what had ended, or with a provider secret that had been replaced. */
  readonly staleServed: number;
  /** The same, sent later than the bound after the change. */
  readonly servedAfterBound: number;
  /** How long after a change the last stale one was sent. */
  readonly latestStaleMs: number;
  /** Not sent, because too many were under way: the load was less than it should have been. */
  readonly skipped: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}
