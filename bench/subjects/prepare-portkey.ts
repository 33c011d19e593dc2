/**
 * Preloaded into Portkey's gateway. It has no option for its address, so this makes it listen on loopback instead of
 * all interfaces. As published it answers every stream with 500: it changes headers that `fetch` made immutable, which
 * takes a patch that its npm package lacks. So it gets streams in a response of ours; other replies are left alone.
 */
import { Server } from 'node:net';

const listen = Server.prototype.listen;
Server.prototype.listen = function (this: Server, ...args: unknown[]): Server {
  if (typeof args[0] === 'number' && typeof args[1] !== 'string') args.splice(1, 0, '127.0.0.1');
  return listen.apply(this, args as Parameters<typeof listen>);
} as typeof listen;

const { fetch, Response } = globalThis;
globalThis.fetch = async (input, init) => {
  const response = await fetch(input, init);
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response;
  return new Response(response.body, response);
};
