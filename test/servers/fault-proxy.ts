import { connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP connection through which a test reaches a server, and which it can make slow or break. */
export interface FaultProxy {
  /** The server's URL with the proxy's host and port in it. Stays the same through all faults. */
  readonly url: string;
  /** Connections that are open now. */
  readonly connections: number;
  /** Connections that were ever accepted. */
  readonly accepted: number;
  /** Every chunk arrives this much later, in both directions, on connections old and new. */
  delay(ms: number): void;
  /** Connections stay open and new ones are accepted; nothing arrives any more, in either direction. */
  stall(): void;
  /** Connections that are open now fall silent for good, as when a firewall forgets them; new ones work. */
  silence(): void;
  /** Ends all connections and refuses new ones. */
  refuse(): Promise<void>;
  /** Resets all connections that are open now; new ones work. */
  cut(): void;
  /**
   * The next time that a client sends a chunk for which `matches` holds, the server gets it and its answer is lost: the
   * connection is reset when the answer arrives. Resolves when that has happened.
   */
  loseAnswer(matches: (chunk: Buffer) => boolean): Promise<void>;
  /** From now on another server is behind the proxy: connections that are open now are reset, new ones go to that one. */
  redirect(targetUrl: string): void;
  /** From now on another server is behind the proxy for new connections; those that are open now stay with theirs. */
  lead(targetUrl: string): void;
  /** Takes back `delay`, `stall` and `refuse`; what was held up arrives. */
  heal(): Promise<void>;
  /** Ends everything. */
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * Starts a proxy on a free loopback port before the server of a URL.
 *
 * @example
 * const proxy = await startFaultProxy(server.url);
 * const stores = createPostgresStores({ connectionString: proxy.url });
 * proxy.delay(200);
 */
export async function startFaultProxy(targetUrl: string): Promise<FaultProxy> {
  let target = new URL(targetUrl);
  const pairs = new Set<Pair>();
  const silent = new WeakSet<Pair>();
  let accepted = 0;
  let delayMs = 0;
  let isStalled = false;
  let loss: { matches: (chunk: Buffer) => boolean; done: () => void } | undefined;
  let listener: Server | undefined;

  const reset = (pair: Pair) => {
    pairs.delete(pair);
    pair.client.resetAndDestroy();
    pair.server.destroy();
  };
  const relay = (pair: Pair, from: Socket, to: Socket, before: (chunk: Buffer) => boolean) => {
    // one at a time, so that a shorter delay never lets a later chunk overtake an earlier one
    let last = Promise.resolve();
    let waiting = 0;
    const inOrder = (action: () => void) => {
      if (delayMs === 0 && waiting === 0) return action();
      waiting++;
      const dueMs = performance.now() + delayMs;
      last = last.then(async () => {
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
        waiting--;
        action();
      });
    };
    from.on('data', (chunk: Buffer) => {
      if (!before(chunk)) inOrder(() => to.writable && to.write(chunk));
    });
    from.on('end', () => inOrder(() => to.end()));
    from.on('error', () => reset(pair));
    from.on('close', () => {
      pairs.delete(pair);
      inOrder(() => to.destroy());
    });
  };
  const accept = (client: Socket) => {
    accepted++;
    const server = connect(Number(target.port), target.hostname);
    const pair = { client, server };
    pairs.add(pair);
    let losing: (() => void) | undefined;
    relay(pair, client, server, (chunk) => {
      if (loss?.matches(chunk)) {
        losing = loss.done;
        loss = undefined;
      }
      return false;
    });
    relay(pair, server, client, () => {
      if (!losing) return false;
      reset(pair);
      losing();
      return true;
    });
    if (isStalled) pause(pair);
  };
  const listen = async (port: number) => {
    const server = createServer(accept);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    listener = server;
    return (server.address() as { port: number }).port;
  };
  const unlisten = async () => {
    const closing = listener;
    listener = undefined;
    const closed = new Promise((resolve) => (closing ? closing.close(resolve) : resolve(undefined)));
    for (const pair of pairs) reset(pair);
    await closed;
  };

  const port = await listen(0);
  const url = new URL(targetUrl);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    get connections() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    delay(ms) {
      delayMs = ms;
    },
    stall() {
      isStalled = true;
      for (const pair of pairs) pause(pair);
    },
    silence() {
      for (const pair of pairs) {
        pause(pair);
        silent.add(pair);
      }
    },
    refuse: unlisten,
    cut() {
      for (const pair of pairs) reset(pair);
    },
    redirect(otherUrl) {
      target = new URL(otherUrl);
      for (const pair of pairs) reset(pair);
    },
    lead(otherUrl) {
      target = new URL(otherUrl);
    },
    loseAnswer: (matches) =>
      new Promise((resolve) => {
        loss = { matches, done: resolve };
      }),
    async heal() {
      delayMs = 0;
      isStalled = false;
      for (const pair of pairs) {
        if (silent.has(pair)) continue;
        const { client, server } = pair;
        client.resume();
        server.resume();
      }
      if (!listener) await listen(port);
    },
    close: unlisten,
  };
}

function pause({ client, server }: Pair): void {
  client.pause();
  server.pause();
}
