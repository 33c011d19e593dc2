import { type ChunkReceiver, type GatewayReply, isPulledBody, type PulledBody } from '../message.ts';

/** The provider's id is at the beginning of a reply, or of a stream's first event. */
const maxLookedAtBytes = 64 * 1_024;
/** Longer than an id with its name, which may go on in the next chunk. */
const longestMatch = 300;

const pattern = /"id"\s*:\s*"((?:resp|msgbatch)_[A-Za-z0-9_-]{1,250})"/;

/**
 * Reports the id of the response or batch that a reply creates as soon as it has passed; nothing is delayed or changed.
 * A reply without one reports nothing.
 */
export function withCreatedId(reply: GatewayReply, tell: (id: string) => void): GatewayReply {
  const { body } = reply;
  if (body instanceof Uint8Array) {
    const id = findId(decode(body));
    if (id !== undefined) tell(id);
    return reply;
  }
  return { ...reply, body: watched(body, tell) };
}

function watched(body: AsyncIterable<Uint8Array>, tell: (id: string) => void): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const chunks = body[Symbol.asyncIterator]();
      const search = new Search(tell);
      const look = (step: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> => {
        if (!step.done) search.look(decode(step.value));
        return step;
      };
      const iterator: AsyncIterator<Uint8Array> = {
        next: () => (search.isOver ? chunks.next() : chunks.next().then(look)),
        return: async () => (await chunks.return?.()) ?? { done: true, value: undefined },
      };
      if (!isPulledBody(chunks)) return iterator;
      const read: PulledBody['read'] = (receiver) =>
        chunks.read(search.isOver ? receiver : lookFirst(search, receiver));
      return Object.assign(iterator, { read });
    },
  };
}

function lookFirst(search: Search, receiver: ChunkReceiver): ChunkReceiver {
  return {
    chunk(bytes) {
      search.look(decode(bytes));
      receiver.chunk(bytes);
    },
    text:
      receiver.text &&
      ((latin1) => {
        search.look(latin1);
        receiver.text?.(latin1);
      }),
    end: () => receiver.end(),
    fail: (error) => receiver.fail(error),
  };
}

/** Looks for the id chunk by chunk, at each once. */
class Search {
  isOver = false;
  readonly #tell: (id: string) => void;
  /** May be the start of a match that the next chunk goes on with. */
  #before = '';
  #looked = 0;

  constructor(tell: (id: string) => void) {
    this.#tell = tell;
  }

  look(chunk: string): void {
    const text = this.#before + chunk;
    const id = findId(text);
    this.#looked += chunk.length;
    this.isOver = id !== undefined || this.#looked >= maxLookedAtBytes;
    this.#before = this.isOver ? '' : text.slice(-longestMatch);
    if (id !== undefined) this.#tell(id);
  }
}

/** Ids and the names around them are ASCII, so it does not matter where a character is cut. */
function decode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, maxLookedAtBytes)).toString(
    'latin1',
  );
}

function findId(text: string): string | undefined {
  return pattern.exec(text)?.[1];
}
