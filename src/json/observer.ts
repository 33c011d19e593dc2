import { MemberCapture } from './member-capture.ts';
import { skipPlainBytes } from './plain-bytes.ts';
import { skipWhitespace } from './scan-scalar.ts';

/** What `createJsonObserver` keeps, and its bounds. */
export interface JsonObserverOptions {
  /** The keys of the root object whose values are kept, decoded. */
  readonly capture: readonly string[];
  /** Bytes kept for one member; a larger value is not kept. @default 65_536 */
  readonly maxCaptureBytes?: number;
  /** Levels of nested objects and arrays; a document with more has `failed`. @default 1024 */
  readonly maxDepth?: number;
}

/** Follows a JSON document as it passes by. */
export interface JsonObserver {
  /** Takes the next bytes, cut anywhere. The chunk is neither changed nor kept. Never throws. */
  feed(chunk: Uint8Array): void;
  /** Whether what was fed so far is one whole value, with nothing but white space after it. */
  readonly complete: boolean;
  /** Whether what was fed so far cannot become a whole value, whatever follows. */
  readonly failed: boolean;
  /**
   * The value of a captured member, parsed anew at each call. `undefined` while it is not whole, when the document has
   * no such member, when it was not asked for, was larger than the bound, or turns out not to be JSON. Of a member that
   * is there twice, the later one counts. What was captured stays readable when the document ends too early.
   */
  value(key: string): unknown;
}

type State =
  | 'value'
  | 'value-or-end'
  | 'key'
  | 'key-or-end'
  | 'colon'
  | 'after-value'
  | 'string'
  | 'escape'
  | 'number'
  | 'word'
  | 'done'
  | 'failed';

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** 1 for the bytes that a number is made of. */
const NUMBER_BYTE = new Uint8Array(256);
for (const byte of new TextEncoder().encode('0123456789+-.eE')) NUMBER_BYTE[byte] = 1;

/**
 * Follows a JSON document of any size without holding it: knows when it is whole and keeps a few members of the root
 * object. Meant for replies that are relayed as they arrive, so it is lenient where that does no harm: brackets,
 * commas, colons and the words `true`, `false` and `null` must be right, but the inside of strings and the form of
 * numbers are not checked. A leading UTF-8 byte order mark is skipped. Memory is bounded by a small multiple of
 * `capture.length * maxCaptureBytes + maxDepth` whatever the size of the document, and nothing recurses.
 *
 * @throws TypeError when a bound is not a positive safe integer.
 * @example
 * const observer = createJsonObserver({ capture: ['usage', 'model'] });
 * for await (const chunk of reply) observer.feed(chunk);
 * if (!observer.complete) throw new Error('the reply was cut off');
 * const usage = observer.value('usage');
 */
export function createJsonObserver(options: JsonObserverOptions): JsonObserver {
  return new Observer(options);
}

class Observer implements JsonObserver {
  readonly #capture: MemberCapture;
  readonly #maxDepth: number;
  /** For every open container, whether it is an object. */
  readonly #isObject: boolean[] = [];
  #state: State = 'value';
  #isKey = false;
  #isEscaped = false;
  #word = '';
  /** Bytes seen of the word, or of the byte order mark. */
  #progress = 0;
  #lastByte = 0;

  constructor({ capture, maxCaptureBytes = 65_536, maxDepth = 1024 }: JsonObserverOptions) {
    this.#maxDepth = toBound('maxDepth', maxDepth);
    this.#capture = new MemberCapture(capture, toBound('maxCaptureBytes', maxCaptureBytes));
  }

  get complete(): boolean {
    if (this.#state === 'done') return true;
    // Only the end of the input ends a number that is the whole document.
    const isBareNumber = this.#state === 'number' && this.#isObject.length === 0;
    return isBareNumber && this.#lastByte >= 0x30 && this.#lastByte <= 0x39;
  }

  get failed(): boolean {
    return this.#state === 'failed';
  }

  value(key: string): unknown {
    const text = this.#capture.textOf(key);
    return text === undefined ? undefined : parse(text);
  }

  feed(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.failed) return;
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
    let position = 0;
    while (position < chunk.length && !this.failed) {
      if (this.#state === 'string') position = this.#feedString(chunk, view, position);
      else if (this.#state === 'number') position = this.#feedNumber(chunk, position);
      else if (this.#state === 'word') position = this.#feedWord(chunk, position);
      else if (this.#state === 'escape') {
        this.#state = 'string';
        position++;
      } else {
        position = skipWhitespace(chunk, position);
        if (position < chunk.length) {
          this.#feedStructure(chunk, position);
          position++;
        }
      }
    }
    this.#capture.endChunk(chunk);
    this.#lastByte = chunk[chunk.length - 1]!;
  }

  #feedString(chunk: Uint8Array, view: DataView, start: number): number {
    const position = skipPlainBytes(view, start, chunk.length);
    if (position === chunk.length) return position;
    if (chunk[position] === 0x5c) {
      this.#state = 'escape';
      this.#isEscaped = true;
    } else if (chunk[position] === 0x22) {
      if (this.#isKey) this.#endKey(chunk, position + 1);
      else this.#endValue(chunk, position + 1);
    }
    return position + 1;
  }

  #feedNumber(chunk: Uint8Array, start: number): number {
    let position = start;
    while (position < chunk.length && NUMBER_BYTE[chunk[position]!] === 1) position++;
    if (position < chunk.length) this.#endValue(chunk, position);
    return position;
  }

  #feedWord(chunk: Uint8Array, start: number): number {
    let position = start;
    const word = this.#word;
    while (position < chunk.length && this.#progress < word.length) {
      if (chunk[position] !== word.charCodeAt(this.#progress)) {
        this.#state = 'failed';
        return position;
      }
      position++;
      this.#progress++;
    }
    if (this.#progress === word.length) this.#endValue(chunk, position);
    return position;
  }

  /** Takes one byte between values: a bracket, a comma, a colon, or the first byte of a key or value. */
  #feedStructure(chunk: Uint8Array, position: number): void {
    const byte = chunk[position]!;
    const state = this.#state;
    if (state === 'after-value') {
      const isObject = this.#isObject.at(-1) === true;
      if (byte === 0x2c) this.#state = isObject ? 'key' : 'value';
      else if (byte === (isObject ? 0x7d : 0x5d)) this.#endContainer(chunk, position + 1);
      else this.#state = 'failed';
    } else if (state === 'key' || state === 'key-or-end') {
      if (byte === 0x22) this.#startKey(position);
      else if (byte === 0x7d && state === 'key-or-end') this.#endContainer(chunk, position + 1);
      else this.#state = 'failed';
    } else if (state === 'colon') {
      this.#state = byte === 0x3a ? 'value' : 'failed';
    } else if (state === 'done') {
      this.#state = 'failed';
    } else if (byte === 0x5d && state === 'value-or-end') {
      this.#endContainer(chunk, position + 1);
    } else {
      this.#startValue(byte, position);
    }
  }

  #startKey(position: number): void {
    this.#state = 'string';
    this.#isKey = true;
    this.#isEscaped = false;
    if (this.#isObject.length === 1) this.#capture.startKey(position);
  }

  #endKey(chunk: Uint8Array, end: number): void {
    this.#state = 'colon';
    this.#isKey = false;
    if (this.#isObject.length === 1) this.#capture.endKey(chunk, end, this.#isEscaped);
  }

  #startValue(byte: number, position: number): void {
    const depth = this.#isObject.length;
    if (depth === 1) this.#capture.startValue(position);
    if (byte === 0x22) this.#state = 'string';
    else if (byte === 0x7b || byte === 0x5b) {
      this.#isObject.push(byte === 0x7b);
      this.#state = depth >= this.#maxDepth ? 'failed' : byte === 0x7b ? 'key-or-end' : 'value-or-end';
    } else if ((byte >= 0x30 && byte <= 0x39) || byte === 0x2d) this.#state = 'number';
    else if (byte === 0x74) this.#startWord('true');
    else if (byte === 0x66) this.#startWord('false');
    else if (byte === 0x6e) this.#startWord('null');
    else if (depth === 0 && byte === BYTE_ORDER_MARK[this.#progress]) this.#progress++;
    else this.#state = 'failed';
  }

  #startWord(word: string): void {
    this.#state = 'word';
    this.#word = word;
    this.#progress = 1;
  }

  #endContainer(chunk: Uint8Array, end: number): void {
    this.#isObject.pop();
    this.#endValue(chunk, end);
  }

  #endValue(chunk: Uint8Array, end: number): void {
    const depth = this.#isObject.length;
    this.#state = depth === 0 ? 'done' : 'after-value';
    if (depth === 1) this.#capture.endValue(chunk, end);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toBound(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new TypeError(`createJsonObserver: ${name} must be a positive safe integer, not ${String(value)}`);
}
