/** How a connection ends: `fin` politely, `reset` with RST. */
export type Closing = 'fin' | 'reset';

/** Where a stream is cut, and how. `clean` ends the chunked body as if it were whole; `close` ends it by closing. */
export type CutHow = Closing | 'fin-in-chunk' | 'clean' | 'close';

/** One way to misbehave, as data. Content is counted in events that carry content. */
export type Fault =
  /** None. */
  | { readonly do: 'answer' }
  /** The connection ends before or after the request was read, at once or so much later; nothing is answered. */
  | {
      readonly do: 'hang-up';
      readonly when: 'accepted' | 'head' | 'request';
      readonly how: Closing;
      /** After the request. @default 0 */
      readonly afterMs?: number;
    }
  /** Nothing more is sent, and nothing is closed. With `after` -1 not even the head of the reply comes. */
  | { readonly do: 'stall'; readonly after: number }
  /** The answer, so many milliseconds late. */
  | { readonly do: 'delay'; readonly ms: number }
  /** The whole body, so many bytes at a time. */
  | { readonly do: 'slow'; readonly bytes: number; readonly everyMs: number }
  /** The stream ends after so much content. A reply that is not streamed: in its middle. */
  | { readonly do: 'cut'; readonly how: CutHow; readonly after: number }
  /** An error of the provider's in the stream, and a clean end. */
  | { readonly do: 'error-event'; readonly after: number; readonly status?: number }
  /** Text that is no event of the protocol, and then the rest. */
  | { readonly do: 'malformed'; readonly after: number }
  /** One line of so many bytes. */
  | { readonly do: 'giant-line'; readonly bytes: number; readonly after: number }
  /** So many short `data:` lines without the blank line that would end the event. */
  | { readonly do: 'tiny-lines'; readonly count: number; readonly after: number }
  /** The stream as the specification of server-sent events allows it too; its content is the same. */
  | { readonly do: 'odd-format'; readonly how: OddFormat }
  /** Every byte in a packet of its own. */
  | { readonly do: 'split' }
  /** A JSON reply with so many bytes of padding. */
  | { readonly do: 'huge-json'; readonly bytes: number; readonly length: 'told' | 'untold' }
  /** The body compressed unasked. */
  | {
      readonly do: 'encoded';
      readonly encoding: 'gzip' | 'br';
      readonly layers?: number;
      readonly inflatedBytes?: number;
    }
  /** Another status than 200. */
  | {
      readonly do: 'status';
      readonly status: number;
      readonly body?: 'provider' | 'html' | 'empty' | 'no-money' | 'too-long';
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** The usage is not what it should be. */
  | { readonly do: 'usage'; readonly how: UsageHow }
  /** Head and body as they stand here, for what no server would send. The connection ends behind it. */
  | { readonly do: 'raw'; readonly text: string }
  /** So many informational replies before the answer. */
  | { readonly do: 'informational'; readonly count: number }
  /** So many bytes of header fields more. */
  | { readonly do: 'huge-head'; readonly bytes: number }
  /** After a whole answer, on the idle connection, a reply that nobody asked for. */
  | { readonly do: 'poison' };

/** Legal oddities of a stream. */
export type OddFormat = 'crlf' | 'cr' | 'mixed' | 'comments' | 'bom' | 'many-data-lines' | 'unknown-events';

/** What a provider may tell of usage. */
export type UsageHow = 'missing' | 'negative' | 'text' | 'huge' | 'inflated';
