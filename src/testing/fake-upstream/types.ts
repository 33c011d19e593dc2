import type { IncomingHttpHeaders } from 'node:http';
import type { Fault } from './faults.ts';
import type { StreamBody } from './frame.ts';
import type { UpstreamState } from './state.ts';

/** The provider family whose envelopes, headers and error bodies a reply uses. */
export type UpstreamFamily = 'openai' | 'anthropic' | 'gemini' | 'cohere';

/** A request as the upstream saw it. Live: `complete`, `aborted` and `closedAtMs` change as it goes on. */
export interface RecordedRequest {
  /** Position in the order of arrival, from 0, not reset when old records are dropped. */
  readonly index: number;
  readonly method: string;
  /** The path without its query, as sent (not decoded). */
  readonly path: string;
  /** The query as sent, without `?`; empty when there is none. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as sent. */
  readonly rawHeaders: readonly string[];
  /** The whole body; empty until {@link bodyComplete}. */
  body: Buffer;
  /** The body parsed, when it is JSON. */
  json?: unknown;
  bodyComplete: boolean;
  /** The last byte of the reply was handed to the socket (true for a fault too, when it ran its course). */
  complete: boolean;
  /** The client's connection went away before the reply ended, and the upstream was not the one to close it. */
  aborted: boolean;
  /** When the headers arrived: milliseconds of the epoch, monotonic, with fractions. */
  readonly arrivedAtMs: number;
  /** When an aborted request's connection closed; on the clock of {@link arrivedAtMs}. */
  closedAtMs?: number;
}

/** The tokens of one reply by kind. No count includes any of another. */
export interface TokenUsage {
  /** Prompt tokens neither read from nor written to a cache. */
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly cacheWriteTokens: number;
  readonly cacheWrite1hTokens: number;
  /** Visible output: text and tool arguments. */
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

/** What one generating request really cost, whatever its reply claimed. For auditing a meter. */
export interface TallyEntry {
  readonly request: RecordedRequest;
  readonly family: UpstreamFamily;
  /** The model name the client sent. */
  readonly model: string;
  /** What the reply reports when no fault falsifies it. */
  readonly usage: TokenUsage;
  /** Output and reasoning tokens generated until the reply ended, was cut, or the client went away. */
  generatedTokens: number;
  /** What a provider would charge: the whole prompt once generation began. */
  readonly billedInputTokens: number;
  /** What a provider would charge: the tokens generated before the end. */
  billedOutputTokens: number;
  /** The reply was sent to its end. */
  complete: boolean;
}

/** A tool call of a scripted reply. */
export interface ScriptedToolCall {
  readonly name: string;
  /** An object, or a string to be sent as it is (it may be invalid JSON). */
  readonly arguments?: Record<string, unknown> | string;
  /** The call's id; a string in the provider's form by default (Gemini: none). */
  readonly id?: string;
}

/** What the model answers, in place of the built-in sentence. */
export interface ScriptedReply {
  readonly text?: string;
  /** The text already cut into stream chunks; wins over `text`. */
  readonly chunks?: readonly string[];
  /** Thinking shown before the text. */
  readonly reasoning?: string;
  readonly toolCalls?: readonly ScriptedToolCall[];
  /** Counts to report and to bill in place of the counted ones. */
  readonly usage?: Partial<TokenUsage>;
  readonly finish?: 'stop' | 'length' | 'content_filter';
  /** The model name in the reply; a dated form of the requested one by default. */
  readonly model?: string;
  /** Headers to add to the reply. */
  readonly headers?: Record<string, string>;
}

/** Options of `createFakeUpstream`. */
export interface FakeUpstreamOptions {
  /** Accepted credentials. @default any credential, or none, is accepted */
  readonly apiKeys?: readonly string[];
  /** Decide the answer; `undefined` for the built-in one. */
  readonly reply?: (request: RecordedRequest) => ScriptedReply | undefined;
  /** Pause before each content chunk of a stream, in milliseconds. @default 0 */
  readonly chunkDelayMs?: number;
  /** Tokens of text in one stream chunk. @default 2 */
  readonly tokensPerChunk?: number;
  /** Model ids that the lists show. */
  readonly models?: { openai?: readonly string[]; anthropic?: readonly string[]; gemini?: readonly string[] };
  /** Port to listen on, always at 127.0.0.1. @default 0 (any free port) */
  readonly port?: number;
  /** Largest request body; a larger one gets 413. @default 67108864 (64 MiB) */
  readonly maxBodyBytes?: number;
  /** Requests (and tally entries) kept; the oldest go first. @default 10000 */
  readonly maxRecordedRequests?: number;
  /** Bytes of request bodies kept; the oldest requests go first. @default 268435456 (256 MiB) */
  readonly maxRecordedBytes?: number;
}

/** Which requests a scripted fault hits. */
export interface FailOptions {
  /** How many requests it hits before it is used up. @default 1 */
  readonly times?: number;
  /** Requests it may hit; all by default. */
  readonly when?: (request: RecordedRequest) => boolean;
}

/** Decides the fault of each request; `undefined` for none. */
export type FaultSelector = (request: RecordedRequest) => Fault | readonly Fault[] | undefined;

/** A running upstream. */
export interface FakeUpstream {
  /** `http://127.0.0.1:<port>`, without a path. */
  readonly url: string;
  readonly port: number;
  /** Requests in order of arrival. */
  readonly requests: readonly RecordedRequest[];
  /** One entry for each request that generated or counted tokens as billable. */
  readonly tally: readonly TallyEntry[];
  /** Connections accepted since the start or the last `reset`. */
  readonly connections: number;
  /** Requests seen since the start or the last `reset`, dropped records included. */
  readonly requestCount: number;
  /**
   * Script a fault (or several combined) for later requests. Scripts are tried in the order they were added,
   * and a request gets the first that applies. A selector stays until `reset`.
   */
  fail(fault: Fault | readonly Fault[] | FaultSelector, options?: FailOptions): void;
  /** Forget scripted faults, records, tally, stored responses, batches and prompt caches. */
  reset(): void;
  /**
   * The first recorded request, present or future, that matches.
   * @param timeoutMs how long to wait, 5,000 by default
   * @throws Error when none matched in time
   */
  waitFor(predicate: (request: RecordedRequest) => boolean, timeoutMs?: number): Promise<RecordedRequest>;
  /** Stop listening and destroy every socket. Safe to call again. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a handler is given. */
export interface Exchange {
  readonly request: RecordedRequest;
  readonly options: FakeUpstreamOptions;
  readonly state: UpstreamState;
  /** The absolute url of this upstream, as the client can reach it. */
  readonly baseUrl: string;
  readonly tokensPerChunk: number;
}

/** What a handler answers. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | StreamBody;
  /** Present when tokens were generated or embedded: the reply enters the tally. */
  readonly billed?: { readonly model: string; readonly usage: TokenUsage };
}
