import { Buffer, isUtf8 } from 'node:buffer';
import { zlib } from '../../built-in.ts';
import { MemberTable } from '../object-index.ts';
import { shortEscapes } from '../scan-string.ts';
import { kernelBytes } from './bytes.ts';
import * as layout from './layout.ts';
import { cacheNames, keyNames, kinds, mediaNames, textNames } from './tables.ts';

/** What the kernel's module exports: see `assembly/index.ts`. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  scan(length: number, maxDepth: number, maxKeys: number): number;
  count(length: number, seed: number): number;
  repeats(start: number, length: number, maxBytes: number): number;
}

/** The part of `WebAssembly` that is used here; not every runtime has it. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

/** What a count finds: tokens before they are rounded, and which cache the caller asks the provider to write the prompt to. */
export interface TokenCount {
  readonly tokens: number;
  readonly cacheWrite: '5m' | '1h' | undefined;
}

const caches = [undefined, '5m', '1h'] as const;
const pageBytes = 65_536;
const largestInteger = 0x7fff_ffff;

/** Bodies that were copied, into whichever kernel. */
let copies = 0;

/**
 * The passes over a request's body in WebAssembly. Both return what the JavaScript code does, or `undefined`: then the
 * body is for that code. The kernel holds a copy of the last body and no reference to any. `repeats` is for the text of
 * a stream; it keeps the last text until the next.
 */
export class Kernel {
  readonly #exports: Exports;
  #bytes: Buffer;
  #words: Int32Array;
  /** The number of the copy in memory. */
  #held = 0;
  #mostBytes = layout.mostBodyBytes;
  /** The text that is in memory from `#textFrom` on, and the parts. */
  #text: string | Uint8Array = '';
  #textFrom = 0;
  #parts: RepeatedParts | undefined;
  /** Where the events end that `repeats` found. */
  passed = 0;

  constructor(exports: Exports) {
    this.#exports = exports;
    this.#bytes = Buffer.from(exports.memory.buffer);
    this.#words = new Int32Array(exports.memory.buffer);
    this.#bytes.set(shortEscapes, layout.escapesAt);
    this.#bytes.set(kinds, layout.kindsAt);
    this.#writeNames(layout.keyNamesAt, keyNames);
    this.#writeNames(layout.cacheNamesAt, cacheNames);
    this.#writeNames(layout.textNamesAt, textNames);
    this.#writeNames(layout.mediaNamesAt, mediaNames);
  }

  /** The index of a body, if it is whole and ordinary. */
  scan(body: Uint8Array, maxDepth: number, maxKeys: number): MemberTable | undefined {
    if (!this.#copy(body)) return undefined;
    const members = this.#exports.scan(
      body.length,
      Math.min(maxDepth, largestInteger),
      Math.min(maxKeys, largestInteger),
    );
    if (members < 0) return undefined;
    const words = this.#words;
    const results = layout.resultsAt / 4;
    const isAscii = words[results + 3] === 1;
    if (!isAscii && !isUtf8(body)) return undefined;
    const index = new MemberTable(body, 0, words[results]!);
    index.objectEnd = words[results + 1]!;
    index.copy = this.#held;
    index.isAscii = isAscii;
    index.take(words, layout.spansAt / 4, members, layout.longsAt / 4, words[results + 2]!);
    return index;
  }

  /**
   * An estimate of the tokens of a body.
   *
   * @param index made by a kernel from this body
   * @param seed of the places at which long strings are sampled
   */
  count(body: Uint8Array, index: MemberTable, seed: number): TokenCount | undefined {
    if (index.copy === 0 || !index.isOf(body)) return undefined;
    if (index.copy !== this.#held) {
      // something else was scanned in between
      if (!this.#copy(body)) return undefined;
      const at = layout.longsAt / 4;
      this.#words.set(index.longStrings, at);
      this.#words[at + index.longStrings.length] = 0;
    }
    const tokens = this.#exports.count(body.length, seed);
    return tokens < 0 ? undefined : { tokens, cacheWrite: caches[this.#words[layout.cacheWriteAt / 4]!] };
  }

  /**
   * How many consecutive events of a text are the fixed parts with a JSON string between each two; `passed` is then
   * where they end.
   *
   * @param text of latin1, or its bytes
   * @param start where the first would begin
   * @param maxBytes of an event
   */
  repeats(text: string | Uint8Array, start: number, parts: RepeatedParts, maxBytes: number): number {
    const { latin1 } = parts;
    if (text.length - start > layout.mostTextBytes || latin1.length > layout.mostPartsBytes) return 0;
    if (text !== this.#text || start < this.#textFrom) {
      if (typeof text === 'string') this.#bytes.write(text.slice(start), layout.textAt, 'latin1');
      else this.#bytes.set(start === 0 ? text : text.subarray(start), layout.textAt);
      this.#text = text;
      this.#textFrom = start;
    }
    if (parts !== this.#parts) {
      this.#bytes.write(latin1, layout.partsAt, 'latin1');
      this.#parts = parts;
    }
    const from = this.#textFrom;
    const events = this.#exports.repeats(
      start - from,
      text.length - from,
      Math.min(maxBytes, largestInteger),
    );
    this.passed = from + this.#words[layout.passedAt / 4]!;
    return events;
  }

  #copy(body: Uint8Array): boolean {
    if (body.length > this.#mostBytes || !this.#hasRoomFor(body.length)) return false;
    this.#bytes.set(body, layout.bodyAt);
    copies++;
    this.#held = copies;
    return true;
  }

  /** Grows memory to what the largest body so far needs, or to twice what it was: each time is a new set of views. */
  #hasRoomFor(bytes: number): boolean {
    const has = this.#bytes.length;
    const needed = layout.bodyAt + bytes + layout.paddingBytes;
    if (needed <= has) return true;
    const most = layout.bodyAt + this.#mostBytes + layout.paddingBytes;
    const { memory } = this.#exports;
    try {
      memory.grow(Math.ceil((Math.min(Math.max(needed, 2 * has), most) - has) / pageBytes));
    } catch {
      this.#mostBytes = has - layout.bodyAt - layout.paddingBytes;
      return false;
    }
    this.#bytes = Buffer.from(memory.buffer);
    this.#words = new Int32Array(memory.buffer);
    return true;
  }

  #writeNames(at: number, names: readonly string[]): void {
    for (const [index, name] of names.entries()) {
      this.#bytes.set(Buffer.from(name), at + index * layout.nameBytes);
    }
  }
}

/** The fixed parts of events that a stream repeats: their number, the length of each in two bytes, and all in one. */
export interface RepeatedParts {
  readonly latin1: string;
}

/** Latin1 parts of an event as the kernel takes them. Joined, they do not keep alive what they were cut from. */
export function toRepeatedParts(parts: readonly string[]): RepeatedParts {
  const lengths = parts.flatMap(({ length }) => [length & 0xff, length >> 8]);
  return { latin1: [String.fromCharCode(parts.length, ...lengths), ...parts].join('') };
}

/** A kernel with a memory of its own; `undefined` when there is no WebAssembly, or it may not be compiled. */
export function createKernel(): Kernel | undefined {
  const { WebAssembly } = globalThis as { readonly WebAssembly?: WebAssemblyApi };
  // its memory is always little-endian, and numbers are read from it in the machine's order
  if (WebAssembly === undefined || new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) return undefined;
  try {
    const module = new WebAssembly.Module(zlib().brotliDecompressSync(Buffer.from(kernelBytes, 'base64')));
    return new Kernel(new WebAssembly.Instance(module).exports as Exports);
  } catch {
    // runtimes that do not compile at run time, and machines without SIMD
    return undefined;
  }
}

let shared: { readonly kernel: Kernel | undefined } | undefined;

/** The kernel of this process, or of this worker: made for the first body, since an import should cost nothing. */
export function sharedKernel(): Kernel | undefined {
  shared ??= { kernel: createKernel() };
  return shared.kernel;
}
