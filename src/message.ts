import type { GatewayError } from './errors.ts';

/**
 * Header fields by lower-case name. An array stands for repeated header lines
 * (only `set-cookie` must stay separate, RFC 9110 §5.3).
 */
export type HeaderMap = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * A request as the core sees it: what an adapter makes of its framework's request.
 *
 * WHATWG `Request` is not used here because it costs several times the whole pipeline on Node;
 * `toGatewayRequest` in `headgate/fetch` wraps one for the frameworks that speak it.
 */
export interface GatewayRequest {
  /** HTTP method in upper case. */
  readonly method: string;
  /**
   * The path as it is on the request line, undecoded and without the query string. It may include
   * a mount prefix: endpoints are recognised by how the path ends.
   */
  readonly path: string;
  /** The raw query string without `?`; empty when there is none. */
  readonly query: string;
  /** Header fields as received, lower-case names. */
  readonly headers: HeaderMap;
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal;
  /**
   * Calls `listener` once when the caller goes away, immediately if it is gone already; the function returned removes
   * it. Equivalent to `signal`: an adapter that creates its signal lazily offers this so that the built-in stages need
   * not ask for one. @default `signal` is used
   */
  whenGone?(listener: () => void): () => void;
  /** Address of the peer, for limits on failed authentication. Never taken from a forwarded header. */
  readonly remoteAddress?: string;
  /**
   * What the host application knows about the caller (its session, tenant, …). Passed to custom stages
   * unchanged; the built-in stages do not read it.
   */
  readonly host?: unknown;
  /** Whether the caller's connection is encrypted; decides the scheme of links back to the gateway. @default false */
  readonly secure?: boolean;
  /** A refusal that the adapter has already decided (two Host headers, …); answered before anything else is checked. */
  readonly refusal?: GatewayError;
  /**
   * Reads the whole body, at most once, and at most `maxBytes` of it: synchronously if all of it has arrived, else as a
   * promise. `await` covers both.
   *
   * @throws GatewayError `body_too_large` (413), `body_timeout` (408), `caller_gone` (499) and
   *   `body_already_read` (500) when the host consumed it before the gateway was reached.
   */
  readBody(maxBytes: number): Uint8Array | Promise<Uint8Array>;
  /**
   * Whether `readBody` gave all of an `ArrayBuffer` that nobody else holds, so that the gateway may detach it once
   * sent. Read after `readBody`. @default false
   */
  readonly bodyIsExclusive?: boolean;
}

/** The bytes of a reply: all at once, or chunk by chunk, each chunk pulled when the caller can take it. */
export type ReplyBody = Uint8Array | AsyncIterable<Uint8Array>;

/** Receives the next part of a body that is read with `PulledBody.read`. */
export interface ChunkReceiver {
  chunk(bytes: Uint8Array): void;
  /**
   * Receives a chunk as text, one byte per character (latin1), so that a body that has text already need not convert it
   * to bytes. @default everything comes as bytes
   */
  readonly text?: ((latin1: string) => void) | undefined;
  /** There is no more. */
  end(): void;
  /** The body broke off: what was sent is incomplete. */
  fail(error: unknown): void;
}

/** What the iterators of relayed streams offer as well: the same chunks, pulled one by one, without promises. */
export interface PulledBody extends AsyncIterator<Uint8Array> {
  /**
   * Asks for the next chunk: one method of the receiver is called once, after this returns. Must not be called again
   * until then, nor while `next()` is pending.
   */
  read(receiver: ChunkReceiver): void;
  /**
   * Lends the chunk that it has just given. Its writer calls the function this returns, if any, when the chunk is
   * written and nobody will read it again: its memory may then be detached.
   * @default chunks are left to garbage collection
   */
  lend?(chunk: Uint8Array): (() => void) | undefined;
}

/** Whether the iterator of a body can be read without promises. */
export function isPulledBody(iterator: AsyncIterator<Uint8Array>): iterator is PulledBody {
  return typeof (iterator as Partial<PulledBody>).read === 'function';
}

/**
 * A reply as the core gives it. Its receiver must consume `body`: iterate it to its end, or call
 * `return()` on its iterator when the caller is gone. `outcome` settles exactly once after that.
 */
export interface GatewayReply {
  readonly status: number;
  /** Fields to send, lower-case names; arrays are sent as repeated lines. */
  readonly headers: HeaderMap;
  readonly body: ReplyBody;
  /** Settles once and never rejects: when the last byte left, the upstream failed, or the caller went away. */
  readonly outcome: Promise<Outcome>;
}

/** How a request ended. */
export interface Outcome {
  /**
   * - `complete`: the reply is whole (a stream: with its protocol's terminator).
   * - `refused`: the gateway said no (401, 404, 429, …).
   * - `failed`: no target could answer, or the stream broke after it had begun.
   * - `aborted`: the caller went away first.
   */
  readonly kind: 'complete' | 'refused' | 'failed' | 'aborted';
  /** Usage by kind as far as it is known; absent when nothing was consumed. */
  readonly usage?: Usage;
  /** Bytes of the reply's body handed to the adapter. */
  readonly replyBytes: number;
  /** Stable code of the error, see `errors.ts`. Absent for `complete`. */
  readonly errorCode?: string;
}

/**
 * Tokens of one request. `inputTokens` includes cached and cache-write tokens and `outputTokens` includes
 * reasoning tokens on every provider, whatever the provider's own arithmetic is. A kind that is unknown is
 * absent, never 0.
 */
export interface Usage {
  readonly inputTokens?: number;
  readonly cachedInputTokens?: number;
  readonly cacheWrite5mTokens?: number;
  readonly cacheWrite1hTokens?: number;
  readonly outputTokens?: number;
  readonly reasoningTokens?: number;
  /** Where the numbers come from: the provider's own report, counted by us, or estimated from bytes. */
  readonly source: 'reported' | 'counted' | 'estimated';
}
