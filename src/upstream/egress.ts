import type { Awaitable } from '../limits/ledger.ts';
import type { HeaderMap } from '../message.ts';

/** One HTTP request to a provider. */
export interface EgressRequest {
  /** Scheme, host and port; nothing else is ever contacted for this request. */
  readonly origin: string;
  /** Path with query. */
  readonly path: string;
  readonly method: string;
  /** Names and values alternating, no name twice. */
  readonly headers: readonly string[];
  readonly body: Uint8Array | undefined;
  /**
   * For an egress that knows when the memory of `body` is no longer read. Call it before each send; call what it
   * returns when the network has all of it, or will ask for none of it. Once everything lent is back and the reply has
   * begun, the memory may be detached. If nothing is lent, the memory stays.
   *
   * @throws Error when the memory was detached already: there is nothing to send
   */
  readonly lendBody?: (() => () => void) | undefined;
  /** Whether the reply is a stream: it may last long, so hold nothing of the request until its end. @default false */
  readonly streams?: boolean;
  /** Aborts when the caller has left. */
  readonly signal: AbortSignal;
  /** The same as a function: see `GatewayRequest.whenGone`. */
  whenGone(listener: () => void): () => void;
  /** Different pools share no connection: one pool per credential and secret, so a rotated secret starts afresh. */
  readonly pool: string;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** A provider's reply; its body is still arriving. */
export interface EgressReply {
  readonly status: number;
  readonly headers: HeaderMap;
  readonly body: EgressBody;
}

/** What was read of a body, and whether that is all of it. */
export interface Collected {
  readonly bytes: Uint8Array;
  readonly ended: boolean;
}

/** A body that is read once, with backpressure: bytes that nobody has asked for stay in the network. */
export interface EgressBody extends AsyncIterable<Uint8Array> {
  /**
   * Reads to the end or until more than `maxBytes` have come, whichever is first. What it returns is consumed;
   * iterating afterwards continues after it. Rejects when the connection broke. May return synchronously what has come
   * already: `await` covers both.
   */
  collect(maxBytes: number): Awaitable<Collected>;
  /** Ends the connection; no effect after the end. */
  cancel(): void;
}

/**
 * The only way out of the gateway. Never follows a redirect, never decodes a body and never retries.
 * The default is undici; `createFetchEgress` serves runtimes that have only `fetch`.
 */
export interface Egress {
  /** Resolves when the reply's head has come. Rejects with the transport's own error, or the signal's reason. */
  send(request: EgressRequest): Promise<EgressReply>;
  /** Drops the connections of pools that are no longer in use. */
  retain?(pools: ReadonlySet<string>): void;
  close(): Promise<void>;
}
