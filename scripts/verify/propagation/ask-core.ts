import type { Gateway } from '../../../src/gateway.ts';
import type { GatewayRequest } from '../../../src/message.ts';

const gone = new AbortController().signal;

/** Sends a request straight to a gateway of this process and reads the reply to its end; its status. */
export async function askCore(
  gateway: Pick<Gateway, 'handle'>,
  key: string,
  model: string,
  content = 'hello',
  remoteAddress?: string,
): Promise<number> {
  const body = Buffer.from(JSON.stringify({ model, messages: [{ role: 'user', content }] }));
  const request: GatewayRequest = {
    method: 'POST',
    path: '/v1/chat/completions',
    query: '',
    headers: {
      host: 'gateway.test',
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'content-length': String(body.length),
    },
    signal: gone,
    ...(remoteAddress !== undefined && { remoteAddress }),
    readBody: async () => body,
  };
  const reply = await gateway.handle(request);
  if (!(reply.body instanceof Uint8Array)) {
    const chunks = reply.body[Symbol.asyncIterator]();
    while (!(await chunks.next()).done);
  }
  return reply.status;
}
