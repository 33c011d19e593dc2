import type { GatewayReply } from '../message.ts';

/** The provider's id stands at the beginning: of a reply, and of the first event of a stream. */
const maxLookedAtBytes = 64 * 1_024;

const pattern = /"id"\s*:\s*"((?:resp|msgbatch)_[A-Za-z0-9_-]{1,250})"/;

/**
 * Tells the id of the response or batch that a reply creates, as soon as it has gone by; nothing is held up or changed.
 * A reply without one tells nothing.
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
      let text: string | undefined = '';
      const look = (step: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> => {
        if (text === undefined || step.done) return step;
        text += decode(step.value);
        const id = findId(text);
        if (id !== undefined) tell(id);
        if (id !== undefined || text.length >= maxLookedAtBytes) text = undefined;
        return step;
      };
      return {
        next: () => (text === undefined ? chunks.next() : chunks.next().then(look)),
        return: async () => (await chunks.return?.()) ?? { done: true, value: undefined },
      };
    },
  };
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
