import type { EventSourceMessage } from 'eventsource-parser';
import type { Dialect, StreamReader } from '../dialects/dialect.ts';
import { GatewayError } from '../errors.ts';
import type { Usage } from '../message.ts';
import type { Secret } from '../secrets/secret.ts';
import { concatBytes, textOf, toBuffer, toBytes } from './bytes.ts';
import { endOfEvent, endOfLastEvent, isBrokenEvent } from './events.ts';
import type { Inspector } from './inspector.ts';
import { withoutCredential } from './scrub.ts';
import { parserFor, type SharedParser } from './shared-parser.ts';

/** What is made text of at the least, where the event before could not be passed. */
const leastPieceBytes = 1_024;
const lineFeed = 10;

/** What an event inspector must know of its request. */
export interface EventInspectorOptions {
  readonly dialect: Dialect;
  readonly requestId: string;
  readonly maxEventBytes: number;
  /** True when the gateway asked for usage on its own, so that the usage event must be taken out again. */
  readonly dropUsage: boolean;
  /** Estimate of the input, for streams that end without reporting usage. */
  readonly inputTokens: number;
  /** What an event that is none of the protocol does: end the stream, or be left out. @default `fail` */
  readonly onMalformed?: 'fail' | 'skip';
  /** What the request was made with; a provider's error event is relayed without it. @default nothing is taken out */
  readonly secret?: Secret;
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
  #pending = '';
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

  /** A stream that said that it was over, and nothing else. */
  get isEmpty(): boolean {
    return !this.#reader.hasContent && this.#read <= 1;
  }

  /** Events that were left out because they were none of the protocol. */
  get skipped(): number {
    return this.#skipped;
  }

  chunk(bytes: Uint8Array): Uint8Array {
    if (this.#pending === '' && !this.failure && this.#reader.passBytes) return this.#siftInPieces(bytes);
    const given = textOf(bytes);
    const kept = this.text(given);
    // most chunks hold nothing remarkable and are whole: they go on as the bytes they are
    return kept === given ? bytes : Buffer.from(kept, 'latin1');
  }

  text(latin1: string): string {
    if (this.failure) return '';
    const before = this.#pending;
    const all = before === '' ? latin1 : before + latin1;
    const whole = all.endsWith('\n\n') ? all.length : endOfLastEvent(all, before.length);
    this.#pending = whole === all.length ? '' : all.slice(whole);
    const kept = whole === 0 ? '' : this.#sift(whole === all.length ? all : all.slice(0, whole));
    // behind an error of the provider nothing is too large
    if (this.#pending.length > this.#options.maxEventBytes && !this.failure) throw eventTooLarge();
    return kept;
  }

  end(): ReturnType<Inspector['end']> {
    let rest: Uint8Array | undefined;
    if (this.#pending !== '' && !this.failure) {
      // an event that the provider did not finish with a blank line: it counts if it is one
      const last = this.#pending;
      this.#pending = '';
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
    const { usage, whole } = this.#reader;
    const events = this.#read + this.#reader.passed;
    // what a stream told of its output before its end is what it had said by then
    if (usage && (whole || (usage.outputTokens ?? 0) >= events)) return usage;
    if (usage) return { ...usage, outputTokens: events, source: 'estimated' };
    if (events === 0) return undefined;
    // providers send about one token an event; what they would report is not known
    return { inputTokens: this.#options.inputTokens, outputTokens: events, source: 'estimated' };
  }

  errorTail(error: GatewayError): Uint8Array | undefined {
    // the provider's own error event in the same dialect: one is enough
    if (this.#errorEvent) return this.#errorEvent;
    const { dialect, requestId } = this.#options;
    return toBytes(dialect.renderStreamError(error, requestId));
  }

  /** An event of what was fed. */
  event(event: EventSourceMessage): void {
    this.#read++;
    if (this.#reader.read(event) === 'drop') this.#dropping = true;
  }

  /** Looks at whole events, one by one, and returns those that stay; none from an error of the provider on. */
  #sift(text: string): string {
    const reader = this.#reader;
    const { maxEventBytes } = this.#options;
    let kept = '';
    /** Behind what is in `kept`, or was left out. */
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

  /** The same of bytes: of what need not be read no text is made, and a chunk may be most of a fast stream. */
  #siftInPieces(bytes: Uint8Array): Uint8Array {
    const reader = this.#reader;
    const { maxEventBytes } = this.#options;
    const all = toBuffer(bytes);
    const kept: Uint8Array[] = [];
    /** Behind what is in `kept`, or was left out. */
    let from = 0;
    /** What a piece has at the least: twice as much each time, where no event can be passed. */
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

  /** Has an event read, and says what becomes of it. */
  #look(event: string): 'stays' | 'goes' | 'ends' {
    this.#dropping = false;
    if (!this.#parser.feed(event, this)) throw eventTooLarge();
    if (this.#reader.error) {
      const { secret } = this.#options;
      this.#errorEvent = Buffer.from(secret ? withoutCredential(event, secret) : event, 'latin1');
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

/** Behind a blank line from `least` on, the first where there are several; the end where there is none, or no more than another. */
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
