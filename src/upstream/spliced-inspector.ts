import type { Splice } from '../dialects/splicer.ts';
import { GatewayError } from '../errors.ts';
import type { Usage } from '../message.ts';
import { dataOf, eventNameOf, splitEvents } from './events.ts';
import type { Inspector } from './inspector.ts';

const empty = new Uint8Array(0);

/**
 * Follows a stream that continues one that broke: what its own inspector lets pass goes out as the splice rewrites it.
 * It is given whole events only, which is what an event inspector returns.
 */
export class SplicedInspector implements Inspector {
  readonly #inner: Inspector;
  readonly #splice: Splice;
  #diverged: GatewayError | undefined;

  constructor(inner: Inspector, splice: Splice) {
    this.#inner = inner;
    this.#splice = splice;
  }

  /** Whether what comes now is new to the caller. */
  get isReady(): boolean {
    return this.#splice.isReady;
  }

  /** Whether the splice ended it: what comes does not follow from what went out. */
  get saysOther(): boolean {
    return this.#diverged !== undefined;
  }

  get hasBegun(): boolean {
    return this.#inner.hasBegun;
  }

  get isWhole(): boolean {
    return this.#inner.isWhole;
  }

  get failure(): GatewayError | undefined {
    return this.#diverged ?? this.#inner.failure;
  }

  get errorType(): string | undefined {
    return this.#inner.errorType;
  }

  chunk(bytes: Uint8Array): Uint8Array {
    return this.spliced(this.#inner.chunk(bytes));
  }

  /** The part of whole events that goes out. */
  spliced(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0 || this.#diverged) return empty;
    let kept = '';
    for (const event of splitEvents(Buffer.from(bytes).toString())) {
      const data = dataOf(event);
      if (data === '') continue;
      const text = this.#splice.event({ event: eventNameOf(event), data });
      if (text === undefined) {
        this.#diverged = new GatewayError(
          'stream_incomplete',
          'The provider ended the stream before it was complete.',
        );
        break;
      }
      kept += text;
    }
    return Buffer.from(kept);
  }

  end(): ReturnType<Inspector['end']> {
    const { rest, error } = this.#inner.end();
    const kept = rest && this.spliced(rest);
    return { rest: kept, error: error ?? this.#diverged };
  }

  usage(): Usage | undefined {
    return this.#inner.usage();
  }

  errorTail(error: GatewayError): Uint8Array | undefined {
    const tail = this.#inner.errorTail(error);
    if (!tail || !this.#splice.rewritesErrors) return tail;
    const text = Buffer.from(tail).toString();
    return Buffer.from(this.#splice.event({ event: eventNameOf(text), data: dataOf(text) }) ?? text);
  }
}
