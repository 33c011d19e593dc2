import type { IncomingMessage } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';

// A node:http2 server does not expose its sessions, and before Node 24 it does not close them either.
// So those that brought a request are remembered by server, as long as they live.
const sessionsOf = new WeakMap<object, Set<ServerHttp2Session>>();

/** Remembers the session a request came over. */
export function trackSession(incoming: IncomingMessage): void {
  const { stream } = incoming as unknown as { stream?: { session?: ServerHttp2Session } };
  const session = stream?.session;
  const server = (incoming.socket as { server?: object } | null)?.server;
  if (session === undefined || server === undefined || session.destroyed) return;
  const sessions = sessionsOf.get(server) ?? new Set();
  if (sessions.has(session)) return;
  sessionsOf.set(server, sessions.add(session));
  session.once('close', () => sessions.delete(session));
}

/** Lets open streams end, and no new one begin (GOAWAY, RFC 9113 §6.8). */
export function closeSessions(server: object): void {
  for (const session of sessionsOf.get(server) ?? []) session.close();
}

/** Ends what `closeSessions` has left open. */
export function destroySessions(server: object): void {
  for (const session of sessionsOf.get(server) ?? []) session.destroy();
}
