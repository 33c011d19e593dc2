import { createParser, type EventSourceParser } from 'eventsource-parser';
import type { Dialect, StreamReader } from '../dialects/dialect.ts';
import { GatewayError } from '../errors.ts';
import type { Usage } from '../message.ts';
import type { Secret } from '../secrets/secret.ts';
import { toBuffer, toBytes } from './bytes.ts';
import type { Inspector } from './inspector.ts';
import { withoutCredential } from './scrub.ts';

/** What an event inspector must know of its request. */
export interface EventInspectorOptions {
  readonly dialect: Dialect;
  readonly requestId: string;
  readonly maxEventBytes: number;
  /** True when the gateway asked for usage on its own, so that the usage event must be taken out again. */
  readonly dropUsage: boolean;
  /** Estimate of the input, for streams that end without reporting usage. */
  readonly inputTokens: number;
  /** What the request was made with; a provider's error event is relayed without it. @default nothing is taken out */
  readonly secret?: Secret;
}

const empty = new Uint8Array(0);

/**
 * Follows a stream of server-sent events. Bytes pass through untouched and at once; only where the usage event must be
 * taken out is the unfinished end of a chunk kept until its event is whole.
 *
 * The text is decoded as latin1: event framing is ASCII, a latin1 offset is a byte offset, and a character split between
 * two chunks cannot hurt. What is read of the events (numbers, codes, flags) is ASCII too.
 */
export function createEventInspector(options: EventInspectorOptions): Inspector {
  return new EventInspector(options);
}

class EventInspector implements Inspector {
  readonly #options: EventInspectorOptions;
  readonly #reader: StreamReader;
  readonly #parser: EventSourceParser;
  #events = 0;
  #dropping = false;
  #tooLarge = false;
  #pending = '';
  #endsEvent = true;

  constructor(options: EventInspectorOptions) {
    this.#options = options;
    this.#reader = options.dialect.createStreamReader({ dropUsage: options.dropUsage });
    this.#parser = createParser({
      maxBufferSize: options.maxEventBytes,
      onEvent: (event) => {
        this.#events++;
        if (this.#reader.read(event) === 'drop') this.#dropping = true;
      },
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') this.#tooLarge = true;
      },
    });
  }

  chunk(bytes: Uint8Array): Uint8Array {
    const text = toBuffer(bytes).toString('latin1');
    if (!this.#options.dropUsage) return this.#pass(text, bytes);
    const all = this.#pending + text;
    const whole = endOfLastEvent(all);
    const hadPending = this.#pending !== '';
    this.#pending = all.slice(whole);
    if (this.#pending.length > this.#options.maxEventBytes) throw eventTooLarge();
    if (whole === 0) return empty;
    const events = all.slice(0, whole);
    // most chunks hold no usage event and are whole: they go on as the bytes they are
    if (!mayBeUsageEvent(events)) {
      this.#feed(events);
      if (this.#reader.error) return this.#scrubbed(events);
      return !hadPending && this.#pending === '' ? bytes : Buffer.from(events, 'latin1');
    }
    return this.#sift(events);
  }

  /** Nothing needs to be taken out but the credential, which only an error can hold: one that has begun is kept until it is whole. */
  #pass(text: string, bytes: Uint8Array): Uint8Array {
    const hadPending = this.#pending !== '';
    const all = hadPending ? this.#pending + text : text;
    this.#endsEvent = all.endsWith('\n\n') || all.endsWith('\r\n\r\n') || all.endsWith('\r\r');
    let whole = all.length;
    if (!this.#endsEvent && all.includes('error')) {
      const end = endOfLastEvent(all);
      if (all.includes('error', end)) whole = end;
    }
    this.#pending = all.slice(whole);
    if (this.#pending.length > this.#options.maxEventBytes) throw eventTooLarge();
    if (whole === 0) return empty;
    const events = all.slice(0, whole);
    if (whole < all.length) this.#endsEvent = true;
    this.#feed(events);
    if (this.#reader.error) return this.#scrubbed(events);
    return hadPending || whole < all.length ? Buffer.from(events, 'latin1') : bytes;
  }

  #scrubbed(text: string): Uint8Array {
    const { secret } = this.#options;
    return Buffer.from(secret === undefined ? text : withoutCredential(text, secret), 'latin1');
  }

  end(): ReturnType<Inspector['end']> {
    let rest: Uint8Array | undefined;
    if (this.#pending !== '') {
      // an event that the provider did not finish with a blank line, still worth reading
      const last = this.#pending;
      this.#pending = '';
      rest = this.#sift(`${last}\n\n`);
      // without the blank line that was added
      if (rest.length > 2) rest = rest.subarray(0, -2);
    } else if (!this.#endsEvent) {
      this.#feed('\n\n');
    }
    if (this.#reader.error) {
      const error = new GatewayError('upstream_error', 'The provider reported an error in the stream.');
      return { rest, error };
    }
    const error = this.#reader.whole
      ? undefined
      : new GatewayError('stream_incomplete', 'The provider ended the stream before it was complete.');
    return { rest, error };
  }

  usage(): Usage | undefined {
    if (this.#reader.usage) return this.#reader.usage;
    if (this.#events === 0) return undefined;
    // providers send about one token an event; what they would report is not known
    return { inputTokens: this.#options.inputTokens, outputTokens: this.#events, source: 'estimated' };
  }

  errorTail(error: GatewayError): Uint8Array | undefined {
    // the provider's own error event is already on its way in the same dialect: one is enough
    if (this.#reader.error) return undefined;
    const { dialect, dropUsage, requestId } = this.#options;
    const text = dialect.renderStreamError(error, requestId);
    return toBytes(dropUsage || this.#endsEvent ? text : `\n\n${text}`);
  }

  #feed(text: string): void {
    this.#parser.feed(text);
    if (this.#tooLarge) throw eventTooLarge();
  }

  /** Feeds whole events one by one and returns the bytes of those that stay. */
  #sift(text: string): Uint8Array {
    let kept = '';
    for (let start = 0; start < text.length; ) {
      const end = endOfEvent(text, start);
      this.#dropping = false;
      this.#feed(text.slice(start, end));
      if (!this.#dropping) kept += text.slice(start, end);
      start = end;
    }
    return this.#reader.error ? this.#scrubbed(kept) : Buffer.from(kept, 'latin1');
  }
}

function eventTooLarge(): GatewayError {
  return new GatewayError(
    'upstream_invalid_response',
    'The provider sent an event larger than this gateway relays.',
  );
}

/** An OpenAI usage event has no choices; other events may mention usage, but never this. */
function mayBeUsageEvent(text: string): boolean {
  return /"choices"\s*:\s*\[\s*\]/.test(text);
}

/** Offset behind the blank line that ends the event at `start`; the end of the text when there is none. */
function endOfEvent(text: string, start: number): number {
  for (let index = start; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code !== 10 && code !== 13) continue;
    const next = lineEnd(text, index);
    const blank = text.charCodeAt(next);
    if (blank === 10 || blank === 13) return lineEnd(text, next);
    index = next - 1;
  }
  return text.length;
}

/** Offset behind the last blank line; 0 when there is none. */
function endOfLastEvent(text: string): number {
  return Math.max(behind(text, '\n\n'), behind(text, '\r\n\r\n'), behind(text, '\r\r'));
}

function behind(text: string, mark: string): number {
  const index = text.lastIndexOf(mark);
  return index < 0 ? 0 : index + mark.length;
}

function lineEnd(text: string, index: number): number {
  return text.charCodeAt(index) === 13 && text.charCodeAt(index + 1) === 10 ? index + 2 : index + 1;
}
