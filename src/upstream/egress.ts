import type { Awaitable } from '../limits/ledger.ts';
import type { HeaderMap } from '../message.ts';

/** One HTTP request on its way to a provider. */
export interface EgressRequest {
  /** Scheme, host and port; nothing else is ever contacted for this request. */
  readonly origin: string;
  /** Path with query. */
  readonly path: string;
  readonly method: string;
  /** Names and values one after the other, no name twice. */
  readonly headers: readonly string[];
  readonly body: Uint8Array | undefined;
  /**
   * For a way out that knows when the memory of `body` is read no more. Called before each time that it is sent; what it returns
   * is called when the network has all of it, or will ask for none of it. When all that was lent is back and the reply has
   * begun, the memory may be detached. Where nothing is lent it stays.
   *
   * @throws Error when it was detached already: there is nothing to send
   */
  readonly lendBody?: (() => () => void) | undefined;
  /** Whether the reply is a stream: it may last long, and nothing of the request should be held until its end. @default false */
  readonly streams?: boolean;
  /** Aborts when the caller has gone away. */
  readonly signal: AbortSignal;
  /** The same as a call: see `GatewayRequest.whenGone`. */
  whenGone(listener: () => void): () => void;
  /** Requests with different pools share no connection: one pool for each credential and secret, so that a rotated one starts afresh. */
  readonly pool: string;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** A provider's reply, its body still on the way. */
export interface EgressReply {
  readonly status: number;
  readonly headers: HeaderMap;
  readonly body: EgressBody;
}

/** What came of a body, and whether that is all of it. */
export interface Collected {
  readonly bytes: Uint8Array;
  readonly ended: boolean;
}

/** A body that is read once, with backpressure: bytes nobody has asked for stay in the network. */
export interface EgressBody extends AsyncIterable<Uint8Array> {
  /**
   * Reads until the end or until more than `maxBytes` have come, whichever is first. What it returns is consumed;
   * iterating afterwards goes on behind it. Rejects when the connection broke. What has come already may be returned at
   * once: `await` covers both.
   */
  collect(maxBytes: number): Awaitable<Collected>;
  /** Ends the connection; harmless after the end. */
  cancel(): void;
}

/**
 * The only way out of the gateway. It never follows a redirect, never decodes a body and never retries.
 * The default is undici; `createFetchEgress` serves runtimes that have only `fetch`.
 */
export interface Egress {
  /** Resolves with the reply's head. Rejects with the transport's own error, or the signal's reason. */
  send(request: EgressRequest): Promise<EgressReply>;
  /** Forgets the connections of pools that are not in use any more. */
  retain?(pools: ReadonlySet<string>): void;
  close(): Promise<void>;
}
