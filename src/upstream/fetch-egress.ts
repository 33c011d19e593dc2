import { concatBytes } from './bytes.ts';
import type { Egress, EgressBody, EgressReply } from './egress.ts';

/**
 * An egress through `fetch`, for runtimes without Node sockets (Workers, edge functions) and for tests. Redirects are
 * not followed: they come back as the 3xx they are. Slower than the default on Node, without its pools and bounds.
 */
export function createFetchEgress(send: typeof fetch = (...input) => globalThis.fetch(...input)): Egress {
  return {
    async send(request): Promise<EgressReply> {
      const silence = new AbortController();
      const giveUp = (error: Error): void => {
        silence.abort(error);
        sent.then(({ body }) => body?.cancel()).catch(() => undefined);
      };
      const sent = send(request.origin + request.path, {
        method: request.method,
        headers: toPairs(request.headers),
        body: (request.body as Uint8Array<ArrayBuffer> | undefined) ?? null,
        redirect: 'manual',
        signal: AbortSignal.any([request.signal, silence.signal]),
      });
      const reply = await within(request.headersTimeoutMs, sent, 'UND_ERR_HEADERS_TIMEOUT', giveUp);
      const headers: Record<string, string> = {};
      reply.headers.forEach((value, name) => {
        // fetch has decoded the body already, so these two speak of bytes that no longer exist
        if (name !== 'content-encoding' && name !== 'content-length') headers[name] = value;
      });
      return {
        status: reply.status,
        headers,
        body: new FetchBody(reply.body, request.idleTimeoutMs, silence),
      };
    },
    async close() {},
  };
}

function toPairs(fields: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index < fields.length; index += 2) {
    pairs.push([fields[index] as string, fields[index + 1] as string]);
  }
  return pairs;
}

/** Ends a request when nothing comes for too long, even if its sender ignores signals. @param code undici's */
function within<Result>(
  ms: number,
  promise: Promise<Result>,
  code: string,
  giveUp: (error: Error) => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const error = Object.assign(new Error(`Nothing came for ${ms} ms.`), { code });
      // first: giving up may end it as if it were whole
      reject(error);
      giveUp(error);
    }, ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

class FetchBody implements EgressBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #idleMs: number;
  readonly #giveUp: (error: Error) => void;

  constructor(stream: ReadableStream<Uint8Array> | null, idleMs: number, silence: AbortController) {
    this.#reader = stream?.getReader();
    this.#idleMs = idleMs;
    this.#giveUp = (error) => {
      silence.abort(error);
      this.cancel();
    };
  }

  async collect(maxBytes: number): Promise<{ bytes: Uint8Array; ended: boolean }> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    while (size <= maxBytes) {
      const { done, value } = await this.next();
      if (done) return { bytes: concatBytes(chunks), ended: true };
      chunks.push(value);
      size += value.length;
    }
    return { bytes: concatBytes(chunks), ended: false };
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    const reading = this.#reader?.read();
    const result = reading && (await within(this.#idleMs, reading, 'UND_ERR_BODY_TIMEOUT', this.#giveUp));
    return result?.value ? { done: false, value: result.value } : { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.cancel();
    return { done: true, value: undefined };
  }

  cancel(): void {
    void this.#reader?.cancel().catch(() => undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
