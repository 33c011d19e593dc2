import type { Egress, EgressBody } from '../../../src/upstream/egress.ts';

/** Bodies that are fed from outside. */
export interface FedBody extends EgressBody {
  push(bytes: Uint8Array): void;
  end(): void;
}

/** A body without a network: what is pushed waits, what is asked for waits. */
export function createFedBody(): FedBody {
  const waiting: Uint8Array[] = [];
  let isEnded = false;
  let isCancelled = false;
  let wake: (() => void) | undefined;
  const changed = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  const notify = () => {
    wake?.();
    wake = undefined;
  };
  return {
    push(bytes) {
      waiting.push(bytes);
      notify();
    },
    end() {
      isEnded = true;
      notify();
    },
    cancel() {
      isCancelled = true;
      waiting.length = 0;
      notify();
    },
    async collect(maxBytes) {
      const chunks: Uint8Array[] = [];
      let size = 0;
      while (size <= maxBytes) {
        const chunk = waiting.shift();
        if (chunk) {
          chunks.push(chunk);
          size += chunk.length;
        } else if (isEnded || isCancelled) return { bytes: Buffer.concat(chunks), ended: true };
        else await changed();
      }
      return { bytes: Buffer.concat(chunks), ended: false };
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const chunk = waiting.shift();
        if (chunk) yield chunk;
        else if (isCancelled) throw new Error('The body was cancelled.');
        else if (isEnded) return;
        else await changed();
      }
    },
  };
}

/** A way out that leads to a function. */
export function createMemoryEgress(
  answer: (body: FedBody, isStream: boolean) => void,
  contentType: (isStream: boolean) => string,
): Egress {
  return {
    async send(request) {
      const isStream = Buffer.from(request.body ?? []).includes('"stream":true');
      const body = createFedBody();
      answer(body, isStream);
      return { status: 200, headers: { 'content-type': contentType(isStream) }, body };
    },
    close: async () => undefined,
  };
}
