import { type GatewayError, toGatewayError } from '../errors.ts';
import { type ChunkReceiver, isPulledBody, type Outcome, type PulledBody, type Usage } from '../message.ts';
import { bytesOf, concatBytes, lendBytes, type Part } from './bytes.ts';
import type { EgressBody } from './egress.ts';
import { AttemptFailure, toTransportFailure } from './failure.ts';
import type { Inspector } from './inspector.ts';
import type { Passage } from './trial.ts';

const over: IteratorResult<never> = { done: true, value: undefined };

type Step<Of extends Part> = IteratorResult<Of | Uint8Array> | Promise<IteratorResult<Uint8Array>>;

/** A body being relayed, and what observes it. */
export interface RelaySource {
  readonly body: EgressBody;
  readonly chunks: AsyncIterator<Uint8Array>;
  readonly inspector: Inspector;
  /** What was read before the relay took over, already inspected; goes out first. The relay clears this field. */
  first: Uint8Array | undefined;
  /** Told what became of the body. @default nobody */
  readonly passage?: Passage | undefined;
}

/** What a relay needs besides the body. */
export interface RelayOptions {
  /**
   * Called when the caller leaves before the end of the body. `true` takes over the rest of the body and calls
   * `finish` when done; `false` ends the upstream's connection.
   */
  readonly drain?: ((rest: DrainableBody) => boolean) | undefined;
  /** Sees what goes out, and may continue the body when it breaks. @default the body ends with the error */
  readonly rescuer?: Rescuer | undefined;
  /** Called once, when the relay ends. */
  readonly onEnd?: ((relay: Relay) => void) | undefined;
}

/** Continues a body that broke after some of it went out. */
export interface Rescuer {
  /** A part goes out. */
  delivered(part: Part): void;
  /** What to continue with; undefined when the caller has to get the error. Must not reject. */
  rescue(error: GatewayError, broken: RelaySource): Promise<RelaySource | undefined>;
  /** Nobody waits for the result of `rescue` any more. */
  giveUp(): void;
}

/** The rest of a body whose caller is gone. */
export interface DrainableBody {
  /** Reads one more chunk for its usage. False at the end. */
  step(): Promise<number | false>;
  /** Ends the body and settles the outcome as `aborted`. */
  finish(): void;
}

/**
 * A reply's body on its way to the caller: pulls a chunk from the upstream when the caller can take one, has it
 * inspected, and settles the outcome once. When the upstream breaks and nothing can continue it, the stream ends with
 * an error in the caller's dialect. Where the protocol has no such error, the iteration throws and the adapter aborts
 * the connection.
 */
export class Relay implements PulledBody, ChunkReceiver, AsyncIterableIterator<Uint8Array> {
  readonly outcome: Promise<Outcome>;
  readonly #options: RelayOptions;
  #source: RelaySource;
  #first: Uint8Array | undefined;
  #settle: ((outcome: Outcome) => void) | undefined;
  #replyBytes = 0;
  #ended = false;
  #pulling = false;
  #interrupted: GatewayError | undefined;
  /** Goes out whether or not a rescue succeeds; already noted. */
  #held: Uint8Array | undefined;
  /** What a settled relay still has to send. */
  #last: Uint8Array | undefined;
  #lastError: unknown;
  /** The receiver of the pending `read`. */
  #receiver: ChunkReceiver | undefined;
  /** For `next`, made once for all chunks; a body taken with `read` needs neither. */
  #onStep: ((step: IteratorResult<Uint8Array>) => Step<Uint8Array>) | undefined;
  #onError: ((error: unknown) => Step<Uint8Array>) | undefined;

  constructor(source: RelaySource, options: RelayOptions = {}) {
    this.#source = source;
    this.#options = options;
    this.#first = source.first?.length ? source.first : undefined;
    source.first = undefined;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  read(receiver: ChunkReceiver): void {
    this.#receiver = receiver;
    const { chunks, inspector } = this.#source;
    if (this.#ended || this.#first !== undefined || inspector.failure || !isPulledBody(chunks)) {
      this.#answer(this.next());
      return;
    }
    this.#pulling = true;
    chunks.read(this);
  }

  lend(chunk: Uint8Array): (() => void) | undefined {
    return this.#source.inspector.keepsNothing ? lendBytes(chunk) : undefined;
  }

  /** As receiver of the source: it has a chunk. */
  chunk(value: Uint8Array): void {
    this.#take({ done: false, value });
  }

  /** Takes text; undefined when somebody needs bytes. */
  get text(): ((latin1: string) => void) | undefined {
    return this.#receiver?.text && this.#source.inspector.text ? this.takeText : undefined;
  }

  private takeText(value: string): void {
    this.#take({ done: false, value });
  }

  /** As receiver of the source: it has ended. */
  end(): void {
    this.#take(over);
  }

  /** As receiver of the source: it broke. */
  fail(error: unknown): void {
    try {
      this.#answer(this.#broke(error));
    } catch (thrown) {
      this.#takeReceiver()?.fail(thrown);
    }
  }

  #take(step: IteratorResult<Part>): void {
    try {
      this.#answer(this.#relay(step));
    } catch (thrown) {
      this.#takeReceiver()?.fail(thrown);
    }
  }

  #answer(result: Step<Part>): void {
    if (result instanceof Promise) {
      result.then(
        (step) => this.#answer(step),
        (error: unknown) => this.#takeReceiver()?.fail(error),
      );
      return;
    }
    const receiver = this.#takeReceiver();
    if (result.done) receiver?.end();
    else if (typeof result.value === 'string') receiver?.text?.(result.value);
    else receiver?.chunk(result.value);
  }

  #takeReceiver(): ChunkReceiver | undefined {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    return receiver;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#ended) return this.#takeLast();
    if (this.#first !== undefined) {
      const value = this.#first;
      this.#first = undefined;
      this.#note(value);
      return Promise.resolve({ done: false, value });
    }
    // an error found in the held bytes comes after them
    const { failure } = this.#source.inspector;
    if (failure) return Promise.resolve().then(() => this.#fail(failure));
    this.#pulling = true;
    this.#onStep ??= (step) => this.#relay(step);
    this.#onError ??= (error) => this.#broke(error);
    return this.#source.chunks.next().then(this.#onStep, this.#onError);
  }

  /** What was used so far. */
  usage(): Usage | undefined {
    return this.#source.inspector.usage();
  }

  /** Ends it with an error although nothing broke. Settles at once, whether or not the caller takes the error. */
  interrupt(error: GatewayError): void {
    if (this.#ended || this.#interrupted) return;
    this.#interrupted = error;
    const isWaiting = this.#pulling;
    this.#source.body.cancel();
    this.#options.rescuer?.giveUp();
    // a waiting reader gets the error in place of its chunk
    if (isWaiting) return;
    try {
      const step = this.#end(error, this.#held, true);
      this.#last = step.done ? undefined : step.value;
    } catch (thrown) {
      // the protocol has no errors in bodies: the connection is aborted when the caller asks again
      this.#lastError = thrown;
    }
  }

  #relay<Of extends Part>(step: IteratorResult<Of>): Step<Of> {
    this.#pulling = false;
    const { inspector } = this.#source;
    if (this.#ended) {
      if (this.#settle && !step.done) this.#noteDrained(step.value);
      return over;
    }
    if (this.#interrupted) return this.#end(this.#interrupted);
    if (step.done) {
      const { rest, error } = inspector.end();
      return error ? this.#fail(error, rest) : this.#close(rest);
    }
    let passed: Of;
    try {
      passed = inspect(inspector, step.value);
    } catch (error) {
      return this.#fail(toError(error));
    }
    if (inspector.failure) return this.#fail(inspector.failure, bytesOf(passed));
    if (passed.length === 0) return this.next();
    this.#note(passed);
    return passed === step.value ? step : { done: false, value: passed };
  }

  #broke(error: unknown): Step<Uint8Array> {
    this.#pulling = false;
    if (this.#ended) return over;
    if (this.#interrupted) return this.#end(this.#interrupted);
    // nothing was missing
    return this.#source.inspector.isWhole ? this.#close(undefined) : this.#fail(toError(error));
  }

  #close(rest: Uint8Array | undefined): IteratorResult<Uint8Array> {
    this.#replyBytes += rest?.length ?? 0;
    this.#finish({ kind: 'complete' });
    return rest?.length ? { done: false, value: rest } : over;
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#ended) {
      this.#ended = true;
      this.#options.rescuer?.giveUp();
      const rest: DrainableBody = { step: () => this.#step(), finish: () => this.#abort() };
      if (!this.#options.drain?.(rest)) this.#abort();
    }
    this.#last = undefined;
    return Promise.resolve(over);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #step(): Promise<number | false> {
    const { chunks, inspector } = this.#source;
    const { done, value } = await chunks.next();
    if (done) return false;
    inspector.chunk(value);
    return value.length;
  }

  /** For a chunk requested before the caller left: whoever drains the rest does not see it. */
  #noteDrained(part: Part): void {
    try {
      inspect(this.#source.inspector, part);
    } catch {
      this.#abort();
    }
  }

  #fail(error: GatewayError, rest?: Uint8Array): Step<Uint8Array> {
    const broken = this.#source;
    const { body, passage } = broken;
    body.cancel();
    if (passage && error.code !== 'caller_gone') {
      passage.record.failure = error.code;
      passage.health.broke(passage.wasProbe);
    }
    const { rescuer } = this.#options;
    if (!rescuer) return this.#end(error, rest);
    if (rest?.length) this.#note(rest);
    this.#held = rest;
    // the rescuer may need the place it held
    this.#leave(error.code === 'caller_gone');
    this.#source = { ...broken, passage: undefined };
    return rescuer.rescue(error, broken).then((source) => {
      this.#held = undefined;
      if (source && this.#ended) drop(source);
      // interrupted meanwhile, or the caller is gone
      if (this.#ended) return this.#takeLast();
      if (!source) return this.#end(error, rest, true);
      this.#source = source;
      const first = concatBytes([rest, source.first].filter((bytes) => bytes !== undefined));
      if (source.first?.length) this.#note(source.first);
      source.first = undefined;
      return first.length > 0 ? { done: false, value: first } : this.next();
    });
  }

  #end(error: GatewayError, rest?: Uint8Array, isNoted = false): IteratorResult<Uint8Array> {
    const tail = this.#source.inspector.errorTail(error);
    const last = concatBytes([rest, tail].filter((bytes) => bytes !== undefined));
    this.#replyBytes += last.length - (isNoted ? (rest?.length ?? 0) : 0);
    this.#finish({ kind: error.code === 'caller_gone' ? 'aborted' : 'failed', errorCode: error.code });
    if (last.length > 0) return { done: false, value: last };
    // the provider has reported its error itself
    if (error.code === 'upstream_error') return over;
    throw error;
  }

  #takeLast(): Promise<IteratorResult<Uint8Array>> {
    const value = this.#last;
    const error = this.#lastError;
    this.#last = this.#lastError = undefined;
    if (error !== undefined) return Promise.reject(error);
    return Promise.resolve(value?.length ? { done: false, value } : over);
  }

  #note(part: Part): void {
    this.#replyBytes += part.length;
    this.#options.rescuer?.delivered(part);
  }

  #abort(): void {
    this.#source.body.cancel();
    this.#finish({ kind: 'aborted', errorCode: 'caller_gone' });
  }

  #finish(end: Pick<Outcome, 'kind' | 'errorCode'>): void {
    this.#ended = true;
    if (!this.#settle) return;
    this.#options.rescuer?.giveUp();
    const usage = this.usage();
    this.#leave(end.kind !== 'failed');
    this.#settle({ ...end, replyBytes: this.#replyBytes, ...(usage && { usage }) });
    this.#settle = undefined;
    this.#options.onEnd?.(this);
  }

  /** Releases the target. */
  #leave(ok: boolean): void {
    const { passage } = this.#source;
    passage?.health.end();
    passage?.observed.onEnd({ ok });
  }
}

function inspect<Of extends Part>(inspector: Inspector, part: Of): Of {
  return (typeof part === 'string' ? (inspector.text?.(part) ?? '') : inspector.chunk(part)) as Of;
}

/** Discards a source that nobody reads. */
function drop({ body, passage }: RelaySource): void {
  body.cancel();
  passage?.health.end();
  passage?.observed.onEnd({ ok: true });
}

function toError(thrown: unknown): GatewayError {
  if (thrown instanceof AttemptFailure) return thrown.error;
  const known = toGatewayError(thrown);
  return known.code === 'internal_error' ? toTransportFailure(thrown).error : known;
}
