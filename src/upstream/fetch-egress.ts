import { concatBytes } from './bytes.ts';
import type { Egress, EgressBody, EgressReply } from './egress.ts';

/**
 * A way out through `fetch`, for runtimes without Node sockets (Workers, edge functions) and for tests. Redirects are
 * not followed: they come back as the 3xx they are. Slower than the default on Node, and without its pools.
 */
export function createFetchEgress(send: typeof fetch = (...input) => globalThis.fetch(...input)): Egress {
  return {
    async send(request): Promise<EgressReply> {
      const reply = await send(request.origin + request.path, {
        method: request.method,
        headers: toPairs(request.headers),
        body: (request.body as Uint8Array<ArrayBuffer> | undefined) ?? null,
        redirect: 'manual',
        signal: request.signal,
      });
      const headers: Record<string, string> = {};
      reply.headers.forEach((value, name) => {
        // fetch has decoded the body already, so these two speak of bytes that no longer exist
        if (name !== 'content-encoding' && name !== 'content-length') headers[name] = value;
      });
      return { status: reply.status, headers, body: new FetchBody(reply.body) };
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

class FetchBody implements EgressBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(stream: ReadableStream<Uint8Array> | null) {
    this.#reader = stream?.getReader();
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
    const result = await this.#reader?.read();
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
