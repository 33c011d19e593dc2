import type { GatewayError } from '../errors.ts';
import type { Usage } from '../message.ts';
import type { ReadRequest, StreamSplicer } from './splicer.ts';

/** Who invented the wire format; decides the shape of errors and of the models list. */
export type DialectFamily = 'openai' | 'anthropic' | 'gemini';

/** A wire protocol. `openai` stands for the OpenAI endpoints that have no stream protocol of their own. */
export type DialectName =
  | 'openai-chat'
  | 'openai-completions'
  | 'openai-responses'
  | 'openai'
  | 'anthropic-messages'
  | 'gemini';

/** An error as it goes over the wire. */
export interface RenderedError {
  readonly status: number;
  /** Lower-case names; `content-type` among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One server-sent event as eventsource-parser gives it. */
export interface StreamEvent {
  readonly event?: string | undefined;
  readonly data: string;
}

/**
 * Follows one stream of a dialect: what was used, whether it is whole, whether the provider reported an error in it.
 * It never changes what is relayed; the one thing it may ask for is to leave an event out.
 */
export interface StreamReader {
  /**
   * Sees the next event. Must be cheap: an ordinary delta is not parsed, only looked at.
   *
   * @returns `drop` for an event that exists only because the gateway asked for it (the usage chunk of an
   *   injected `stream_options.include_usage`), `relay` for every other.
   */
  read(event: StreamEvent): 'relay' | 'drop';
  /**
   * Where one or more events from `start` of a text end that need not be read: they bring content, as earlier ones did,
   * and nothing else. Returns `start` when the first has to be read. @default all are read
   *
   * @param maxBytes of an event; a larger one has to be read
   */
  pass?(text: string, start: number, maxBytes: number): number;
  /** The same for bytes, for some of these events, without decoding them. @default there are none */
  passBytes?(bytes: Uint8Array, start: number, maxBytes: number): number;
  /** Events that these two have passed. */
  readonly passed: number;
  /**
   * Output tokens beyond one per event, when events bring more; for streams that end without usage.
   *
   * @default none
   */
  readonly furtherTokens?: number;
  /** Whether the protocol's terminator, or its equivalent, was seen. */
  readonly whole: boolean;
  /** Usage as reported so far. */
  readonly usage: Usage | undefined;
  /** Set when the provider sent an error inside the stream, with its own type or code if it gave one. */
  readonly error: { readonly type?: string | undefined } | undefined;
  /**
   * Whether content (not only openings, pings or errors) was seen, or an end that says why there is none. A reply may be
   * whole without either: whoever waits for content must also stop waiting at `whole` and at `error`.
   */
  readonly hasContent: boolean;
  /**
   * Whether an event was seen whose data cannot be what the protocol sends: not a JSON object by its first and
   * last character, or one that had to be parsed and could not be. Deltas are not parsed to find out.
   */
  readonly malformed: boolean;
}

/** What a stream reader needs to know about its request. */
export interface StreamReaderOptions {
  /** True when the gateway injected `include_usage` that the caller had not asked for. */
  readonly dropUsage: boolean;
}

/** A wire protocol: pure functions over bytes and text, no I/O. */
export interface Dialect {
  readonly name: DialectName;
  readonly family: DialectFamily;
  /** Renders an error as the body of a reply. The status may differ from the error's own (503 ↔ 529). */
  renderError(error: GatewayError, requestId: string): RenderedError;
  /** Renders an error as the last thing in a stream that had begun: complete event text, no terminator after it. */
  renderStreamError(error: GatewayError, requestId: string): string;
  createStreamReader(options: StreamReaderOptions): StreamReader;
  /**
   * Set when another stream can continue one that broke; returns undefined for a request where it cannot.
   *
   * @default callers get the error
   */
  readonly createSplicer?: (request: ReadRequest) => StreamSplicer | undefined;
  /** Names of the top-level members of a JSON reply that `readUsage` wants to see. */
  readonly usageMembers: readonly string[];
  /** Usage of a JSON reply. Negative, fractional, non-numeric and unsafe numbers count as unknown. */
  readUsage(member: (name: string) => unknown): Usage | undefined;
}
