import { AsyncLocalStorage } from 'node:async_hooks';
import { toNodeHandler } from 'headgate/node';
import { expect, it } from 'vitest';
import { until } from './support/client.ts';
import { connectTo } from './support/raw-connection.ts';
import { createStubGateway, toReply } from './support/stub-gateway.ts';

it('requests that come together are handled each in the context of its host', async () => {
  const callers = new AsyncLocalStorage<string>();
  const gateway = createStubGateway();
  gateway.answer = async (request) => {
    const before = callers.getStore();
    await request.readBody(1_000);
    return toReply(200, `${request.path} by ${before}, then by ${callers.getStore()};`);
  };
  const handler = toNodeHandler(gateway);
  const { socket, received } = await connectTo((request, response) => {
    callers.run(String(request.url), () => handler(request, response));
  });
  // one packet: they are there in one turn
  socket.write(
    ['/a', '/b', '/c']
      .map((path) => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx`)
      .join(''),
  );
  await until(() => received().split(';').length === 4, 'all were answered');
  for (const path of ['/a', '/b', '/c']) expect(received()).toContain(`${path} by ${path}, then by ${path};`);
});
