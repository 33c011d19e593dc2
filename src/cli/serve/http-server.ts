import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { CommandError } from '../command.ts';
import { stripBrackets } from './address.ts';

/**
 * Bounds of the stand-alone server, stricter than Node's own. Headers: 10 s. The whole request: 45 s, as a last
 * resort, because the bridge ends a slow body after 30 s with an error in the caller's dialect. Idle connections:
 * 65 s, longer than the 60 s after which common load balancers close theirs, so that none of them sends a request on
 * a connection that is being closed. All are checked every 5 s.
 */
export const serverOptions = {
  headersTimeout: 10_000,
  requestTimeout: 45_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 32_768,
  noDelay: true,
} as const satisfies ServerOptions;

/**
 * Starts to listen.
 *
 * @returns the server and the port it got
 * @throws CommandError when the address is unavailable
 */
export async function listen(handler: RequestListener, host: string, port: number) {
  const server = createServer(serverOptions, handler);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(toListenError(error, host, port)));
    server.listen({ host: stripBrackets(host), port }, resolve);
  });
  server.removeAllListeners('error');
  return { server, port: portOf(server) };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function toListenError(error: NodeJS.ErrnoException, host: string, port: number): CommandError {
  const reasons: Partial<Record<string, string>> = {
    EADDRINUSE: 'something else listens there. Choose another --port',
    EACCES: 'this user may not listen there. Choose a --port above 1023',
    EADDRNOTAVAIL: 'this machine has no such address. Choose another --host',
    ENOTFOUND: 'this name has no address. Choose another --host',
  };
  return new CommandError(`Cannot listen on ${host}:${port}: ${reasons[error.code ?? ''] ?? error.message}.`);
}
