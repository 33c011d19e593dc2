import { toNodeHandler } from 'headgate/node';
import { expect, it } from 'vitest';
import { until } from './support/client.ts';
import { connectTo } from './support/raw-connection.ts';
import { createStubGateway, toReply } from './support/stub-gateway.ts';

it('a body that came with its head is there at once; one that comes later is waited for', async () => {
  const gateway = createStubGateway();
  gateway.answer = async (request) => {
    const body = request.readBody(1_000);
    const when = body instanceof Uint8Array ? 'at once' : 'later';
    return toReply(200, `${Buffer.from(await body).toString()} ${when};`);
  };
  const { socket, received } = await connectTo(toNodeHandler(gateway));
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n';
  socket.write(`${head}with`);
  await until(() => received().includes(';'), 'the first was answered');
  expect(received()).toContain('with at once;');
  socket.write(head);
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.write('late');
  await until(() => received().split(';').length === 3, 'the second was answered');
  expect(received()).toContain('late later;');
});
