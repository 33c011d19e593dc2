import type { Egress, EgressBody, EgressRequest } from '../../../src/upstream/egress.ts';

/** What the provider answers. */
export const replyBytes = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 0,
    model: 'gpt-4.1',
    choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  }),
);

/**
 * A provider in this process that answers a turn of the event loop later: what is measured then is the gateway, not a
 * network. `onSend` is told of every request and its credential.
 */
export function createMemoryEgress(
  onSend: (request: EgressRequest, authorization: string) => void = () => undefined,
): Egress {
  return {
    async send(request) {
      onSend(request, authorizationOf(request));
      await new Promise(setImmediate);
      const headers = { 'content-type': 'application/json', 'content-length': String(replyBytes.length) };
      return { status: 200, headers, body: toBody() };
    },
    async close() {},
  };
}

function authorizationOf({ headers }: EgressRequest): string {
  const at = headers.findIndex((word, index) => index % 2 === 0 && word.toLowerCase() === 'authorization');
  return headers[at + 1] ?? '';
}

function toBody(): EgressBody {
  let isRead = false;
  return {
    async collect() {
      const bytes = isRead ? Buffer.alloc(0) : replyBytes;
      isRead = true;
      return { bytes, ended: true };
    },
    cancel() {
      isRead = true;
    },
    async *[Symbol.asyncIterator]() {
      if (isRead) return;
      isRead = true;
      yield replyBytes;
    },
  };
}
