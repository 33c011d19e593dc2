import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { receiveStart, sayReady } from './child-process.ts';
import { type Client, createClient } from './client.ts';
import { replyBytes } from './memory-egress.ts';
import type { AskMessage, CallersMessage } from './messages.ts';

/** The callers of a site and its provider: in a process of their own, so that what they cost is not counted as the gateway's. */
const concurrency = 20;

await receiveStart();
const provider = createServer((request, response) => {
  request.resume().on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(replyBytes);
  });
});
provider.listen(0, '127.0.0.1');
await once(provider, 'listening');

const sites = new Map<string, { readonly client: Client; readonly calls: CallersMessage['calls'] }>();
let next = 0;
process.on('message', async (message: CallersMessage | AskMessage) => {
  if (message.type === 'callers') {
    sites.set(message.site, { client: createClient(message.url), calls: message.calls });
    return;
  }
  const { client, calls } = sites.get(message.site) as { client: Client; calls: CallersMessage['calls'] };
  let left = message.count;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const { key, model } = calls[next++ % calls.length] as (typeof calls)[number];
      const { status } = await client.ask(key, model);
      if (status !== 200) throw new Error(`${model} was answered with ${status}.`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  process.send?.({ type: 'asked' });
});
sayReady(`http://127.0.0.1:${(provider.address() as AddressInfo).port}`);
