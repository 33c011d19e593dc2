import { closeSessions, destroySessions } from './http2-sessions.ts';

/** What `closeGracefully` needs of a server; those of node:http, node:https and node:http2 fit. */
export interface ClosableServer {
  readonly listening: boolean;
  close(callback?: (error?: Error) => void): unknown;
  closeIdleConnections?(): void;
  closeAllConnections?(): void;
}

/** Options of `closeGracefully`. */
export interface CloseOptions {
  /** Milliseconds to wait for replies in flight; then their connections are destroyed. @default 30_000 */
  readonly drainMs?: number;
}

const idleCheckMs = 50;

/**
 * Closes a server without cutting replies off: it accepts no new connections, closes idle ones, sends
 * `connection: close` (HTTP/2: GOAWAY) with the replies that are still to come, waits up to `drainMs` for the
 * replies in flight, and destroys what is left.
 *
 * Resolves when the server is closed, even if it already was, or when the time is over. Never rejects. Close the
 * gateway itself after that, so that requests in flight can still use it.
 *
 * @throws TypeError when `drainMs` is not a whole number of at least 0.
 * @example
 * process.once('SIGTERM', async () => {
 *   await closeGracefully(server, { drainMs: 10_000 });
 *   await gateway.close();
 * });
 */
export function closeGracefully(server: ClosableServer, options: CloseOptions = {}): Promise<void> {
  const drainMs = options.drainMs ?? 30_000;
  if (!Number.isSafeInteger(drainMs) || drainMs < 0 || drainMs > 2_147_483_647) {
    throw new TypeError(`Option "drainMs" must be a whole number from 0 to 2147483647, not ${drainMs}.`);
  }
  return new Promise((resolve) => {
    const settle = () => {
      clearInterval(idle);
      clearTimeout(deadline);
      resolve();
    };
    // a connection whose reply had its head sent as keep-alive turns idle only when that reply ends
    const idle = setInterval(() => server.closeIdleConnections?.(), idleCheckMs);
    const deadline = setTimeout(() => {
      server.closeAllConnections?.();
      destroySessions(server);
      // a node:http2 server goes on waiting for peers that have not sent anything, or do not read its end
      settle();
    }, drainMs);
    // an error means that it was not open
    server.close(settle);
    server.closeIdleConnections?.();
    closeSessions(server);
  });
}
