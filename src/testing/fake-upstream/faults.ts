import type { CutHow } from './frame.ts';

/** What any fault may also set. */
interface FaultBase {
  /** Wait before anything is answered, in milliseconds. */
  readonly delayMs?: number;
}

/** An answer with this status, in the words of the provider whose endpoint was called. */
export interface StatusFault extends FaultBase {
  readonly kind: 'status';
  /** Any final status; 200 makes sense with `body: 'html'`. */
  readonly status: number;
  /** `insufficient_quota`: an account out of credit, as each provider words it. */
  readonly reason?: 'insufficient_quota';
  readonly message?: string;
  /** `error.type` (OpenAI, Anthropic) or `error.status` (Gemini). */
  readonly type?: string;
  readonly code?: string;
  /** Sent verbatim as `retry-after`: seconds, a date, or nonsense. None by default. */
  readonly retryAfter?: string | number;
  /** Sent verbatim as `retry-after-ms`. */
  readonly retryAfterMs?: string | number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body: the provider's JSON, a proxy's error page, or nothing. @default 'provider' */
  readonly body?: 'provider' | 'html' | 'empty';
}

/** A redirect to `location`. */
export interface RedirectFault extends FaultBase {
  readonly kind: 'redirect';
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly location: string;
}

/**
 * The connection closes instead of an answer. `accept`: as soon as it is accepted, before any byte is read
 * (only for connections, so neither `when` nor a selector sees it, and no request is recorded).
 * `request`: when the request was read, a stale keep-alive connection included.
 */
export interface ConnectionFault extends FaultBase {
  readonly kind: 'connection';
  readonly at: 'accept' | 'request';
  /** FIN or RST. @default 'fin' */
  readonly how?: 'fin' | 'reset';
}

/** Nothing is ever answered; the connection stays open until the client or `close()` ends it. */
export interface StallFault extends FaultBase {
  readonly kind: 'stall';
}

/**
 * The reply stops after `afterChunks` content chunks: reset, FIN inside a chunk, a clean end without the
 * protocol's terminator (chunked or close-delimited), or silence. A body that is not streamed counts
 * chunks of 64 bytes. 0 means after the headers.
 */
export interface CutFault extends FaultBase {
  readonly kind: 'cut';
  readonly how: CutHow;
  readonly afterChunks: number;
}

/** The body is sent `bytes` at a time, every `intervalMs`. */
export interface SlowBodyFault extends FaultBase {
  readonly kind: 'slow-body';
  readonly bytes: number;
  readonly intervalMs: number;
}

/** Half of the body, with headers that say it is whole. Streams end after half of their first chunk. */
export interface TruncatedJsonFault extends FaultBase {
  readonly kind: 'truncated-json';
}

/** `content-length` is wrong by `by` bytes: if too large, the connection closes early; if too small, bytes are left. */
export interface WrongContentLengthFault extends FaultBase {
  readonly kind: 'wrong-content-length';
  readonly by: number;
}

/** An in-stream error in the provider's dialect, after which the stream ends cleanly. */
export interface StreamErrorFault extends FaultBase {
  readonly kind: 'stream-error';
  /** Content chunks before it; 0 makes it the first event. */
  readonly afterChunks: number;
  /** With `afterChunks: 0`, let the dialect's opening events pass first. @default false */
  readonly afterOpening?: boolean;
  /** The status whose wording it uses. @default 529 for Anthropic, else 503 */
  readonly status?: number;
  readonly message?: string;
  /** OpenAI responses only: a `response.failed` event in place of `error`. @default 'error' */
  readonly form?: 'error' | 'failed';
}

/** A chunk that is not JSON, after `afterChunks` content chunks; the stream goes on. */
export interface MalformedChunkFault extends FaultBase {
  readonly kind: 'malformed-chunk';
  readonly afterChunks: number;
}

/** A `data:` line of `bytes` bytes without a line break, then a clean end. */
export interface GiantLineFault extends FaultBase {
  readonly kind: 'giant-line';
  readonly bytes: number;
  /** @default 0 */
  readonly afterChunks?: number;
}

/** `count` tiny `data:` lines without a blank line between them, then a clean end. */
export interface TinyLinesFault extends FaultBase {
  readonly kind: 'tiny-lines';
  readonly count: number;
  /** @default 0 */
  readonly afterChunks?: number;
}

/** The reply is compressed although nobody asked for it. */
export interface EncodedFault extends FaultBase {
  readonly kind: 'encoded';
  readonly encoding: 'gzip' | 'br' | 'deflate';
  /** How often it is compressed, each named in `content-encoding`. @default 1 */
  readonly layers?: number;
  /** Pad the body to about this many bytes before compressing: a bomb. At most 64 MiB. @default 0 */
  readonly inflatedBytes?: number;
}

/** The JSON reply grows by `bytes` of padding, produced as it is sent. */
export interface HugeJsonFault extends FaultBase {
  readonly kind: 'huge-json';
  readonly bytes: number;
}

/** Legal oddities of `text/event-stream`; the content stays the same. */
export interface SseFormatFault extends FaultBase {
  readonly kind: 'sse-format';
  /** `mixed` alternates between all three from line to line. */
  readonly lineEnding?: '\n' | '\r\n' | '\r' | 'mixed';
  readonly bom?: boolean;
  /** A comment before each event. */
  readonly comments?: boolean;
  /** Spread each JSON payload over several `data:` lines. */
  readonly multiLineData?: boolean;
  /** An event of a type that nobody knows before each event. */
  readonly unknownEvents?: boolean;
  /** `id:` and `retry:` fields in each event. */
  readonly extraFields?: boolean;
}

/** The body is sent in writes of this many bytes, which cut characters and line ends in two. */
export interface SplitFault extends FaultBase {
  readonly kind: 'split';
  readonly everyBytes: number;
}

/** After the complete reply, on the idle keep-alive connection, a second reply that nobody asked for. */
export interface ExtraResponseFault extends FaultBase {
  readonly kind: 'extra-response';
  /** Pause before it. @default 0 */
  readonly afterMs?: number;
}

/** A head that no parser should accept, or that two parsers read differently; the connection then closes. */
export interface BrokenHeadFault extends FaultBase {
  readonly kind: 'broken-head';
  readonly how:
    | 'garbage-status'
    | 'content-length-and-chunked'
    | 'two-content-lengths'
    | 'switching-protocols'
    | 'bad-chunk-size';
}

/** The reported usage is false; {@link TallyEntry} keeps the truth. */
export interface UsageFault extends FaultBase {
  readonly kind: 'usage';
  /** `huge` is 1e308, `inflated` a thousand times the truth. */
  readonly usage: 'missing' | 'null' | 'negative' | 'string' | 'huge' | 'fraction' | 'inflated';
}

/** `count` informational replies before the real one. */
export interface InformationalFault extends FaultBase {
  readonly kind: 'informational';
  readonly count: number;
  /** @default 103 */
  readonly status?: 100 | 102 | 103;
}

/** About `bytes` bytes of extra response headers. */
export interface HugeHeadersFault extends FaultBase {
  readonly kind: 'huge-headers';
  readonly bytes: number;
}

/** Only a wait of `delayMs` before the headers. */
export interface DelayFault extends FaultBase {
  readonly kind: 'delay';
  readonly delayMs: number;
}

/** A way for an upstream to misbehave, as plain data. Several can be combined for one request. */
export type Fault =
  | StatusFault
  | RedirectFault
  | ConnectionFault
  | StallFault
  | CutFault
  | SlowBodyFault
  | TruncatedJsonFault
  | WrongContentLengthFault
  | StreamErrorFault
  | MalformedChunkFault
  | GiantLineFault
  | TinyLinesFault
  | EncodedFault
  | HugeJsonFault
  | SseFormatFault
  | SplitFault
  | ExtraResponseFault
  | BrokenHeadFault
  | UsageFault
  | InformationalFault
  | HugeHeadersFault
  | DelayFault;

/** The first fault of a kind, typed. */
export function findFault<K extends Fault['kind']>(
  faults: readonly Fault[],
  kind: K,
): Extract<Fault, { kind: K }> | undefined {
  return faults.find((fault): fault is Extract<Fault, { kind: K }> => fault.kind === kind);
}
