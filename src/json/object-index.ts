import { decodeUtf8, isAscii, isTextAt } from './text.ts';

export { longStringBytes } from './kernel/weights.ts';

/** What kind of JSON value a member holds. */
export type JsonValueKind = 'string' | 'number' | 'object' | 'array' | 'true' | 'false' | 'null';

/** Where one member of the root object stands. Offsets are in bytes from the first byte of the scanned body. */
export interface JsonMember {
  /** The key, decoded: `"mod\u0065l"` is `model`. */
  readonly key: string;
  /** The opening quote of the key. */
  readonly keyStart: number;
  /** The first byte of the value. */
  readonly valueStart: number;
  /** The byte after the last byte of the value. */
  readonly valueEnd: number;
  readonly kind: JsonValueKind;
}

/**
 * Where the members of the root object of a scanned body stand. It reads keys from the body when asked, so it keeps
 * the body alive, and the body must not be changed as long as the index is used.
 */
export interface JsonObjectIndex {
  /** Where the document starts: 3 after a UTF-8 byte order mark, else 0. `body.subarray(bodyStart)` strips the mark. */
  readonly bodyStart: number;
  /** The opening brace of the root object. */
  readonly objectStart: number;
  /** The closing brace of the root object. */
  readonly objectEnd: number;
  /**
   * Values that are strings of `longStringBytes` and more, at any depth: offsets after the opening quote and of the
   * closing one, alternating. For whoever goes through a large body a second time.
   */
  readonly longStrings: readonly number[];
  /** Whether the root object has no members. */
  readonly isEmpty: boolean;
  /** The member with this (decoded) key, or `undefined`. */
  get(key: string): JsonMember | undefined;
  /** Whether there is a member with this (decoded) key. */
  has(key: string): boolean;
  /** The decoded keys in the order of the document. */
  keys(): string[];
}

/** Up to this many keys of up to this many bytes are compared by their bytes: a map of strings costs more to fill. */
const MAPPED_ABOVE = 16;
const LONGEST_COMPARED = 64;
/** Numbers kept for a member: key start and end (quotes left out), value start and end. */
const FIELDS = 4;

/** The index while it is being made, and after. */
export class MemberTable implements JsonObjectIndex {
  readonly bodyStart: number;
  readonly objectStart: number;
  objectEnd = -1;
  readonly longStrings: number[] = [];
  /** Which copy of the body a kernel made this from; 0 if none did. */
  copy = 0;
  /** Whether the whole body is known to be ASCII. */
  isAscii = false;
  readonly #body: Uint8Array;
  #spans: number[] = [];
  /** Where in `#spans` a key is, once keys have to be compared as strings. */
  #places: Map<string, number> | undefined;

  constructor(body: Uint8Array, bodyStart: number, objectStart: number) {
    this.#body = body;
    this.bodyStart = bodyStart;
    this.objectStart = objectStart;
  }

  get isEmpty(): boolean {
    return this.#spans.length === 0;
  }

  /** Adds a key, without its quotes. False when it is there already; the table is then of no more use. */
  addKey(start: number, end: number, escaped: boolean): boolean {
    const spans = this.#spans;
    const isShort = end - start <= LONGEST_COMPARED && spans.length < MAPPED_ABOVE * FIELDS;
    if (this.#places === undefined && isShort && !escaped) {
      for (let place = 0; place < spans.length; place += FIELDS) {
        if (
          spans[place + 1]! - spans[place]! === end - start &&
          this.#hasSameBytes(spans[place]!, start, end)
        ) {
          return false;
        }
      }
      spans.push(start, end, 0, 0);
      return true;
    }
    const places = this.#toPlaces();
    const known = places.size;
    places.set(decodeKey(this.#body, start, end), spans.length);
    spans.push(start, end, 0, 0);
    return places.size > known;
  }

  /** Completes the member whose key was added last. */
  endValue(start: number, end: number): void {
    const spans = this.#spans;
    spans[spans.length - 2] = start;
    spans[spans.length - 1] = end;
  }

  /** Takes `members` and `longStrings` from the numbers that a kernel left: four per member, two per long string. */
  take(numbers: Int32Array, at: number, members: number, longsAt: number, longStrings: number): void {
    // of this length at once, not grown to it
    this.#spans = new Array(members * FIELDS);
    for (let index = 0; index < this.#spans.length; index++) this.#spans[index] = numbers[at + index]!;
    for (let index = longsAt; index < longsAt + longStrings * 2; index++)
      this.longStrings.push(numbers[index]!);
  }

  /** Whether these very bytes were indexed. */
  isOf(body: Uint8Array): boolean {
    return this.#body === body;
  }

  get(key: string): JsonMember | undefined {
    const place = this.#find(key);
    if (place < 0) return undefined;
    const spans = this.#spans;
    const valueStart = spans[place + 2]!;
    const kind = toKind(this.#body[valueStart]!);
    return { key, keyStart: spans[place]! - 1, valueStart, valueEnd: spans[place + 3]!, kind };
  }

  has(key: string): boolean {
    return this.#find(key) >= 0;
  }

  keys(): string[] {
    return [...this.#toPlaces().keys()];
  }

  #find(key: string): number {
    // Bytes and code units are the same for ASCII only: in a body that is all ASCII, any key may be compared.
    if (this.#places !== undefined || !(this.isAscii || isAscii(key))) return this.#toPlaces().get(key) ?? -1;
    const spans = this.#spans;
    const { length } = key;
    for (let place = 0; place < spans.length; place += FIELDS) {
      const start = spans[place]!;
      const end = spans[place + 1]!;
      // most keys differ in length, which takes no call
      if (end - start === length && isTextAt(key, this.#body, start, end)) return place;
    }
    return -1;
  }

  #toPlaces(): Map<string, number> {
    if (this.#places === undefined) {
      this.#places = new Map();
      const spans = this.#spans;
      for (let place = 0; place < spans.length; place += FIELDS) {
        this.#places.set(decodeKey(this.#body, spans[place]!, spans[place + 1]!), place);
      }
    }
    return this.#places;
  }

  #hasSameBytes(other: number, start: number, end: number): boolean {
    const body = this.#body;
    for (let index = start; index < end; index++) {
      if (body[index] !== body[other + index - start]) return false;
    }
    return true;
  }
}

/** The key between `start` and `end` (its quotes left out) as a string. */
export function decodeKey(body: Uint8Array, start: number, end: number): string {
  const text = decodeUtf8(body, start, end);
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
}

function toKind(first: number): JsonValueKind {
  switch (first) {
    case 0x22:
      return 'string';
    case 0x7b:
      return 'object';
    case 0x5b:
      return 'array';
    case 0x74:
      return 'true';
    case 0x66:
      return 'false';
    case 0x6e:
      return 'null';
    default:
      return 'number';
  }
}
