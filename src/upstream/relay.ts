import { type GatewayError, toGatewayError } from '../errors.ts';
import type { Outcome } from '../message.ts';
import { concatBytes } from './bytes.ts';
import type { EgressBody } from './egress.ts';
import { AttemptFailure, toTransportFailure } from './failure.ts';
import type { Inspector } from './inspector.ts';

const over: IteratorResult<Uint8Array> = { done: true, value: undefined };

/** What a relay must know besides the body. */
export interface RelayOptions {
  /** What was read of the body before the relay began; goes out first. */
  readonly first: Uint8Array | undefined;
  readonly inspector: Inspector;
  /**
   * Called when the caller is gone and the body is not at its end. `true` takes over the rest of the body and calls
   * `settle` when done; `false` ends the upstream's connection.
   */
  readonly drain: ((rest: DrainableBody) => boolean) | undefined;
}

/** The rest of a body whose caller is gone. */
export interface DrainableBody {
  /** Reads one more chunk for its usage. False at the end. */
  step(): Promise<number | false>;
  /** Ends it and settles the outcome as `aborted`. */
  finish(): void;
}

/**
 * A reply's body on its way to the caller: pulls a chunk from the upstream when the caller can take one, has it
 * inspected, and settles the outcome once. When the upstream breaks, the stream ends with an error in the caller's
 * dialect; where the protocol has no such thing the iteration throws, and the adapter breaks off the connection.
 */
export class Relay implements AsyncIterableIterator<Uint8Array> {
  readonly outcome: Promise<Outcome>;
  readonly #source: EgressBody;
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #inspector: Inspector;
  readonly #drain: RelayOptions['drain'];
  #first: Uint8Array | undefined;
  #settle: ((outcome: Outcome) => void) | undefined;
  #replyBytes = 0;
  #ended = false;
  // made once for each body, and not for each chunk
  readonly #onStep = (step: IteratorResult<Uint8Array>) => this.#relay(step);
  readonly #onError = (error: unknown) => (this.#ended ? over : this.#fail(this.#toError(error)));

  constructor(source: EgressBody, options: RelayOptions) {
    this.#source = source;
    this.#iterator = source[Symbol.asyncIterator]();
    this.#inspector = options.inspector;
    this.#drain = options.drain;
    this.#first = options.first?.length ? options.first : undefined;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#ended) return Promise.resolve(over);
    if (this.#first === undefined) return this.#iterator.next().then(this.#onStep, this.#onError);
    const first: IteratorResult<Uint8Array> = { done: false, value: this.#first };
    this.#first = undefined;
    return Promise.resolve(first).then(this.#onStep);
  }

  #relay(step: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> | Promise<IteratorResult<Uint8Array>> {
    if (this.#ended) return over;
    if (step.done) return this.#close();
    let chunk: Uint8Array;
    try {
      chunk = this.#inspector.chunk(step.value);
    } catch (error) {
      return this.#fail(this.#toError(error));
    }
    if (chunk.length === 0) return this.next();
    this.#replyBytes += chunk.length;
    return { done: false, value: chunk };
  }

  #close(): IteratorResult<Uint8Array> {
    const { rest, error } = this.#inspector.end();
    if (error) return this.#fail(error, rest);
    this.#replyBytes += rest?.length ?? 0;
    this.#finish({ kind: 'complete' });
    return rest?.length ? { done: false, value: rest } : over;
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#ended) {
      this.#ended = true;
      const rest: DrainableBody = { step: () => this.#step(), finish: () => this.#abort() };
      if (!this.#drain?.(rest)) this.#abort();
    }
    return Promise.resolve(over);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #step(): Promise<number | false> {
    const { done, value } = await this.#iterator.next();
    if (done) return false;
    this.#inspector.chunk(value);
    return value.length;
  }

  #fail(error: GatewayError, rest?: Uint8Array): IteratorResult<Uint8Array> {
    this.#source.cancel();
    const tail = this.#inspector.errorTail(error);
    const last = concatBytes([rest, tail].filter((bytes) => bytes !== undefined));
    this.#replyBytes += last.length;
    this.#finish({ kind: error.code === 'caller_gone' ? 'aborted' : 'failed', errorCode: error.code });
    if (last.length > 0) return { done: false, value: last };
    // the provider has told of its error itself
    if (error.code === 'upstream_error') return over;
    throw error;
  }

  #abort(): void {
    this.#source.cancel();
    this.#finish({ kind: 'aborted', errorCode: 'caller_gone' });
  }

  #finish(end: Pick<Outcome, 'kind' | 'errorCode'>): void {
    this.#ended = true;
    const usage = this.#inspector.usage();
    this.#settle?.({ ...end, replyBytes: this.#replyBytes, ...(usage && { usage }) });
    this.#settle = undefined;
  }

  #toError(thrown: unknown): GatewayError {
    const failure = thrown instanceof AttemptFailure ? thrown : undefined;
    if (failure) return failure.error;
    const known = toGatewayError(thrown);
    return known.code === 'internal_error' ? toTransportFailure(thrown).error : known;
  }
}
