import type { EventSourceMessage } from 'eventsource-parser';
import type { Dialect, StreamReader } from '../dialects/dialect.ts';
import { asObject, type Members, parseObject } from '../dialects/stream-data.ts';
import { GatewayError } from '../errors.ts';
import type { Usage } from '../message.ts';
import type { Secret } from '../secrets/secret.ts';
import { bytesOf, concatBytes, textOf, toBuffer, toBytes } from './bytes.ts';
import { dataOf, endOfEvent, endOfLastEvent, isBrokenEvent } from './events.ts';
import type { Inspector } from './inspector.ts';
import { scrub } from './scrub.ts';
import { parserFor, type SharedParser } from './shared-parser.ts';

/** The least that is decoded to text when the event before could not be passed. */
const leastPieceBytes = 1_024;
const lineFeed = 10;
/** This many pieces stay unjoined, and one per so many bytes. */
const mostPieces = 1_024;
const bytesToPiece = 64;

/** What an event inspector needs to know about its request. */
export interface EventInspectorOptions {
  readonly dialect: Dialect;
  readonly requestId: string;
  readonly maxEventBytes: number;
  /** True when the gateway itself asked for usage, so that the usage event must be removed again. */
  readonly dropUsage: boolean;
  /** Estimate of the input, for streams that end without reporting usage. */
  readonly inputTokens: number;
  /** Whether an event that is not of the protocol ends the stream, or is left out. @default `fail` */
  readonly onMalformed?: 'fail' | 'skip';
  /** What the request was made with; a provider's error event is relayed without it. @default nothing is removed */
  readonly secret?: Secret;
  /** Other header fields sent that may be credentials, too. @default none */
  readonly alongside?: Readonly<Record<string, Secret>>;
  /** False for streams whose usage has been counted before. @default true */
  readonly metered?: boolean;
}

/**
 * Follows a stream of server-sent events. Bytes pass through untouched, event by event: the unfinished end of a chunk is
 * kept until its event is whole, so that a stream that breaks never ends in half an event.
 *
 * The text is decoded as latin1: event framing is ASCII, a latin1 offset is a byte offset, and a character split between
 * two chunks cannot hurt. What is read of the events (numbers, codes, flags) is ASCII too.
 */
export function createEventInspector(options: EventInspectorOptions): EventInspector {
  return new EventInspector(options);
}

/** See `createEventInspector`. */
export class EventInspector implements Inspector {
  readonly keepsNothing = true;
  failure: GatewayError | undefined = undefined;
  readonly #options: EventInspectorOptions;
  readonly #reader: StreamReader;
  readonly #parser: SharedParser;
  /** Events that the reader has read. */
  #read = 0;
  #skipped = 0;
  #dropping = false;
  /** The unfinished event, as V8 keeps concatenated strings: not joined until it is read. */
  #pending = '';
  /** Its end, as much as may be part of a blank line. */
  #tail = '';
  #pieces = 0;
  #errorEvent: Uint8Array | undefined;

  constructor(options: EventInspectorOptions) {
    this.#options = options;
    this.#reader = options.dialect.createStreamReader({ dropUsage: options.dropUsage });
    this.#parser = parserFor(options.maxEventBytes);
  }

  get hasBegun(): boolean {
    return this.#reader.hasContent || this.#reader.whole || this.failure !== undefined;
  }

  get isWhole(): boolean {
    return this.#reader.whole;
  }

  get errorType(): string | undefined {
    return this.#reader.error?.type;
  }

  /** The provider's error as a reply would have it; undefined when there is none that can be read. */
  get errorBody(): Members | undefined {
    const data = this.#errorEvent && parseObject(dataOf(toBuffer(this.#errorEvent).toString()));
    if (!data || data.error) return data;
    return { error: asObject(data.response)?.error ?? data };
  }

  /** Whether the stream said that it was over, and nothing else. */
  get isEmpty(): boolean {
    const { hasContent, usage } = this.#reader;
    return !hasContent && this.#read <= 1 && !usage?.outputTokens;
  }

  /** Events that were left out because they were not of the protocol. */
  get skipped(): number {
    return this.#skipped;
  }

  chunk(bytes: Uint8Array): Uint8Array {
    if (this.#pending === '' && !this.failure && this.#reader.passBytes) return this.#siftInPieces(bytes);
    const given = textOf(bytes);
    const kept = this.text(given);
    // most chunks are whole and hold nothing special: they pass as the bytes they are
    return kept === given ? bytes : Buffer.from(kept, 'latin1');
  }

  text(latin1: string): string {
    if (this.failure) return '';
    return this.#tail === '' && latin1.endsWith('\n\n') ? this.#sift(latin1) : this.#piece(latin1);
  }

  /** Takes what ends or begins in the middle of an event. What is pending is not looked at again. */
  #piece(latin1: string): string {
    const before = this.#pending;
    const seam = this.#tail + latin1;
    const whole = endOfLastEvent(seam, this.#tail.length);
    let kept = '';
    if (whole === 0) {
      this.#keep(before + latin1, seam);
    } else {
      const end = whole - this.#tail.length;
      this.#pieces = 0;
      this.#keep(latin1.slice(end), latin1.slice(end));
      kept = this.#sift(before + latin1.slice(0, end));
    }
    // after a provider's error nothing is too large
    if (this.#pending.length > this.#options.maxEventBytes && !this.failure) throw eventTooLarge();
    return kept;
  }

  end(): ReturnType<Inspector['end']> {
    let rest: Uint8Array | undefined;
    if (this.#pending !== '' && !this.failure) {
      // an event that the provider did not finish with a blank line: it counts if it can be read
      const last = this.#pending;
      this.#pending = this.#tail = '';
      if (!isBrokenEvent(last)) {
        const kept = this.#sift(`${last}\n\n`);
        // without the blank line that was added, unless something may follow it
        if (kept.length > 2) rest = Buffer.from(this.#reader.whole ? kept.slice(0, -2) : kept, 'latin1');
      }
    }
    if (this.failure) return { rest, error: this.failure };
    const error = this.#reader.whole
      ? undefined
      : new GatewayError('stream_incomplete', 'The provider ended the stream before it was complete.');
    return { rest, error };
  }

  usage(): Usage | undefined {
    const { inputTokens, metered = true } = this.#options;
    if (!metered) return undefined;
    const { usage, whole, passed, furtherTokens = 0 } = this.#reader;
    const estimate = this.#read + passed + furtherTokens;
    // output that a stream reported before its end is what it had said by then
    const told = usage?.outputTokens;
    if (usage && told !== undefined && (whole || told >= estimate)) return usage;
    if (estimate === 0) return usage;
    return { ...(usage ?? { inputTokens }), outputTokens: estimate, source: 'estimated' };
  }

  errorTail(error: GatewayError): Uint8Array | undefined {
    // the provider's own error event in the same dialect: one is enough
    if (this.#errorEvent) return this.#errorEvent;
    const { dialect, requestId } = this.#options;
    return toBytes(dialect.renderStreamError(error, requestId));
  }

  /** Called with an event of what was fed. */
  event(event: EventSourceMessage): void {
    this.#read++;
    if (this.#reader.read(event) === 'drop') this.#dropping = true;
  }

  /** Keeps an unfinished event. @param end its end, at least as much as may be part of a blank line */
  #keep(event: string, end: string): void {
    this.#pending = event;
    this.#tail = end.slice(-3);
    if (++this.#pieces <= mostPieces + event.length / bytesToPiece) return;
    // a piece takes more memory than its bytes
    this.#pending = textOf(bytesOf(event));
    this.#pieces = 0;
  }

  /** Looks at whole events, one by one, and returns those that stay; none from a provider's error on. */
  #sift(text: string): string {
    const reader = this.#reader;
    const { maxEventBytes } = this.#options;
    let kept = '';
    /** After what is in `kept`, or was left out. */
    let from = 0;
    for (let start = 0; start < text.length; ) {
      const passed = reader.pass?.(text, start, maxEventBytes) ?? start;
      if (passed > start) {
        start = passed;
        continue;
      }
      const end = endOfEvent(text, start);
      const fate = this.#look(text.slice(start, end));
      if (fate !== 'stays') {
        kept += text.slice(from, start);
        if (fate === 'ends') return kept;
        from = end;
      }
      start = end;
    }
    return from === 0 ? text : kept + text.slice(from);
  }

  /** The same for bytes: what need not be read is not decoded, and a chunk may be most of a fast stream. */
  #siftInPieces(bytes: Uint8Array): Uint8Array {
    const reader = this.#reader;
    const { maxEventBytes } = this.#options;
    const all = toBuffer(bytes);
    const kept: Uint8Array[] = [];
    /** After what is in `kept`, or was left out. */
    let from = 0;
    /** The least that a piece has: twice as much each time that no event can be passed. */
    let least = 0;
    for (let start = 0; start < all.length && !this.failure; ) {
      const passed = reader.passBytes?.(all, start, maxEventBytes) ?? start;
      if (passed > start) {
        start = passed;
        least = 0;
        continue;
      }
      const end = endOfPiece(all, start, start + least);
      const given = all.toString('latin1', start, end);
      const stays = this.text(given);
      if (stays !== given) {
        kept.push(all.subarray(from, start), Buffer.from(stays, 'latin1'));
        from = end;
      }
      start = end;
      least = 2 * least + leastPieceBytes;
    }
    if (kept.length === 0) return bytes;
    if (!this.failure) kept.push(all.subarray(from));
    return concatBytes(kept);
  }

  /** Reads an event, and returns what becomes of it. */
  #look(event: string): 'stays' | 'goes' | 'ends' {
    this.#dropping = false;
    if (!this.#parser.feed(event, this)) throw eventTooLarge();
    if (this.#reader.error) {
      const { secret, alongside = {} } = this.#options;
      const shown = secret ? scrub(event, secret, Object.values(alongside)) : event;
      this.#errorEvent = shown === undefined ? undefined : Buffer.from(shown, 'latin1');
      this.failure = new GatewayError('upstream_error', 'The provider reported an error in the stream.');
      return 'ends';
    }
    if (this.#reader.malformed && isBrokenEvent(event)) {
      if (this.#options.onMalformed === 'skip') {
        this.#skipped++;
        return 'goes';
      }
      this.failure = malformed();
      return 'ends';
    }
    return this.#dropping ? 'goes' : 'stays';
  }
}

/** After a blank line from `least` on, the first of several; the end if there is none, or just one more line feed. */
function endOfPiece(all: Buffer, start: number, least: number): number {
  let blankLine = all.indexOf('\n\n', least, 'latin1');
  if (blankLine < 0) return all.length;
  while (blankLine > start && all[blankLine - 1] === lineFeed) blankLine--;
  const end = blankLine + 2;
  return end === all.length - 1 && all[end] === lineFeed ? all.length : end;
}

function malformed(): GatewayError {
  return new GatewayError('upstream_invalid_response', 'The provider sent an event that cannot be read.');
}

function eventTooLarge(): GatewayError {
  return new GatewayError(
    'upstream_invalid_response',
    'The provider sent an event larger than this gateway relays.',
  );
}
