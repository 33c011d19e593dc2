import type { Dialect } from '../dialects/dialect.ts';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { GatewayReply, HeaderMap, Outcome } from '../message.ts';
import type { Runtime } from '../runtime.ts';
import { toBytes } from './bytes.ts';

const over: IteratorResult<Uint8Array> = { done: true, value: undefined };
const comment = toBytes(': keep-alive\n\n');

/** What a patient reply is made of. */
export interface PatientOptions {
  readonly requestId: string;
  readonly dialect: Dialect;
  readonly headers: HeaderMap;
  /** How long a caller waits without hearing anything. */
  readonly everyMs: number;
  readonly runtime: Runtime;
  /** Ends what it waits for: the caller has left. */
  readonly giveUp: () => void;
}

/**
 * The reply itself, when it comes soon. Otherwise one that begins at once, keeps its caller waiting with comments, and
 * continues with the reply when it comes. What fails then is reported in the stream.
 */
export function replyPatiently(reply: Promise<GatewayReply>, options: PatientOptions): Promise<GatewayReply> {
  return new Promise((resolve, reject) => {
    const cancel = options.runtime.schedule(options.everyMs, () => {
      const body = new PatientBody(reply, options);
      resolve({ status: 200, headers: options.headers, body, outcome: body.outcome });
    });
    reply.then(
      (early) => {
        cancel();
        resolve(early);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}

class PatientBody implements AsyncIterableIterator<Uint8Array> {
  readonly outcome: Promise<Outcome>;
  readonly #options: PatientOptions;
  readonly #arrived: Promise<void>;
  #settle: (outcome: Outcome) => void = () => undefined;
  /** What is still to come, once it is known. */
  #rest: AsyncIterator<Uint8Array> | undefined;
  #comments = 0;
  #isOver = false;

  constructor(reply: Promise<GatewayReply>, options: PatientOptions) {
    this.#options = options;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#arrived = reply.then(
      (found) => this.#goOnWith(found),
      (error: unknown) => this.#fail(toGatewayError(error)),
    );
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#isOver) return over;
    if (!this.#rest && !(await this.#waited())) {
      this.#comments += comment.length;
      return { done: false, value: comment };
    }
    return this.#rest ? this.#rest.next() : over;
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#isOver = true;
    if (this.#rest) {
      // it may be drained for its usage, and then reports how it ended
      await this.#rest.return?.();
      return over;
    }
    this.#options.giveUp();
    this.#settle({ kind: 'aborted', errorCode: 'caller_gone', replyBytes: this.#comments });
    return over;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** False when nothing came for `everyMs`. */
  #waited(): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#options.runtime.schedule(this.#options.everyMs, () => resolve(false));
      void this.#arrived.then(() => {
        cancel();
        resolve(true);
      });
    });
  }

  #goOnWith(reply: GatewayReply): void {
    if (reply.status >= 400) {
      const message = `The provider refused the request (status ${reply.status}).`;
      const { status } = reply;
      this.#fail(new GatewayError('upstream_error', message, { status, retryable: false }));
      return;
    }
    this.#rest = reply.body instanceof Uint8Array ? once(reply.body) : reply.body[Symbol.asyncIterator]();
    if (this.#isOver) void this.#rest.return?.();
    void reply.outcome.then((outcome) =>
      this.#settle({ ...outcome, replyBytes: outcome.replyBytes + this.#comments }),
    );
  }

  #fail(error: GatewayError): void {
    const { dialect, requestId } = this.#options;
    const bytes = toBytes(dialect.renderStreamError(error, requestId));
    this.#rest = once(bytes);
    const kind = error.code === 'caller_gone' ? 'aborted' : 'failed';
    this.#settle({ kind, errorCode: error.code, replyBytes: this.#comments + bytes.length });
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
