import { connect, createServer, type Socket } from 'node:net';
import type { Framing } from './framing.ts';

/** A connection to a store's server that can be made to lose every notification and nothing else. */
export interface NotificationFilter {
  /** The server's URL with the filter's address in it. */
  readonly url: string;
  /** Notifications that arrived. */
  readonly delivered: number;
  /** Notifications that were lost. */
  readonly lost: number;
  /** From now on notifications are lost, on connections old and new: every one still looks as if it listened. */
  mute(): void;
  close(): Promise<void>;
}

/** Starts one on a free loopback port. */
export async function startNotificationFilter(
  serverUrl: string,
  framing: Framing,
): Promise<NotificationFilter> {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  let isMuted = false;
  let delivered = 0;
  let lost = 0;

  const passes = (message: Buffer): boolean => {
    if (!framing.isNotification(message)) return true;
    if (isMuted) lost++;
    else delivered++;
    return !isMuted;
  };
  const filterInto = (client: Socket) => {
    let rest: Buffer = Buffer.alloc(0);
    return (chunk: Buffer): void => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const kept: Buffer[] = [];
      let start = 0;
      for (let end = framing.endOf(rest, 0); end !== undefined; end = framing.endOf(rest, start)) {
        const message = rest.subarray(start, end);
        if (passes(message)) kept.push(message);
        start = end;
        if (start === rest.length) break;
      }
      rest = rest.subarray(start);
      if (kept.length > 0 && client.writable) client.write(Buffer.concat(kept));
    };
  };
  const listener = createServer({ noDelay: true }, (client) => {
    const server = connect({ host: target.hostname, port: Number(target.port), noDelay: true });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (chunk) => server.write(chunk));
    server.on('data', filterInto(client));
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(0, '127.0.0.1', resolve);
  });
  const url = new URL(serverUrl);
  url.host = `127.0.0.1:${(listener.address() as { port: number }).port}`;
  return {
    url: url.href,
    get delivered() {
      return delivered;
    },
    get lost() {
      return lost;
    },
    mute() {
      isMuted = true;
    },
    async close() {
      const closed = new Promise((resolve) => listener.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
