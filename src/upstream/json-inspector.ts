import type { Dialect } from '../dialects/dialect.ts';
import { GatewayError } from '../errors.ts';
import { createJsonObserver, type JsonObserver } from '../json/observer.ts';
import { type JsonObjectIndex, JsonScanError, readMember, scanJsonObject } from '../json/scan.ts';
import type { Usage } from '../message.ts';
import type { Inspector } from './inspector.ts';

/**
 * Follows a JSON reply, in any number of chunks: whether it is whole, and what usage it reports.
 *
 * @param maxBytes largest reply; more is an error.
 * @param metered false for replies whose usage has been counted before.
 */
export function createJsonInspector(dialect: Dialect, maxBytes: number, metered: boolean): Inspector {
  return new JsonInspector(dialect, maxBytes, metered);
}

const closingBrace = 0x7d;

class JsonInspector implements Inspector {
  readonly hasBegun = true;
  readonly failure = undefined;
  readonly #dialect: Dialect;
  readonly #maxBytes: number;
  readonly #metered: boolean;
  #size = 0;
  /** The whole reply, when it came in one chunk, and its index. */
  #whole: Uint8Array | undefined;
  #index: JsonObjectIndex | undefined;
  #observer: JsonObserver | undefined;

  constructor(dialect: Dialect, maxBytes: number, metered: boolean) {
    this.#dialect = dialect;
    this.#maxBytes = maxBytes;
    this.#metered = metered;
  }

  chunk(bytes: Uint8Array): Uint8Array {
    const isFirst = this.#size === 0;
    this.#size += bytes.length;
    if (this.#size > this.#maxBytes) {
      throw new GatewayError(
        'upstream_invalid_response',
        'The provider sent a reply larger than this gateway relays.',
      );
    }
    if (!isFirst || !this.#scan(bytes)) this.#observe(bytes);
    return bytes;
  }

  /** Most replies come in one chunk, and the scanner is twice as fast as the observer. False when it rejects this. */
  #scan(bytes: Uint8Array): boolean {
    if (bytes[bytes.length - 1] !== closingBrace) return false;
    try {
      this.#index = scanJsonObject(bytes);
    } catch (error) {
      if (error instanceof JsonScanError) return false;
      throw error;
    }
    this.#whole = bytes;
    return true;
  }

  #observe(bytes: Uint8Array): void {
    this.#observer ??= createJsonObserver({ capture: this.#dialect.usageMembers });
    // something came after what looked whole
    if (this.#whole) this.#observer.feed(this.#whole);
    this.#whole = undefined;
    this.#index = undefined;
    this.#observer.feed(bytes);
  }

  end(): ReturnType<Inspector['end']> {
    if (this.#whole || (this.#observer?.complete && !this.#observer.failed)) return whole;
    const error = new GatewayError(
      'upstream_invalid_response',
      'The provider sent a reply that is cut off or is not JSON.',
    );
    return { rest: undefined, error };
  }

  usage(): Usage | undefined {
    return this.#metered ? this.#dialect.readUsage((name) => this.#member(name)) : undefined;
  }

  #member(name: string): unknown {
    return this.#whole && this.#index
      ? readMember(this.#whole, this.#index, name)
      : this.#observer?.value(name);
  }

  get isWhole(): boolean {
    return this.end() === whole;
  }

  // a JSON document has no room for an error after it: the connection is aborted instead
  errorTail(): undefined {}
}

const whole: ReturnType<Inspector['end']> = { rest: undefined, error: undefined };

/** Lets any other body pass (audio, JSON Lines, …): its end is the end of the connection or the declared length. */
export const passingInspector: Inspector = {
  keepsNothing: true,
  chunk: (bytes) => bytes,
  end: () => whole,
  usage: () => undefined,
  errorTail: () => undefined,
  hasBegun: true,
  isWhole: false,
  failure: undefined,
};
