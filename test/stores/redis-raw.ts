import { createClient } from 'redis';

/** A plain connection for what a test does to a server besides. */
export interface RawRedis {
  send(...command: readonly string[]): Promise<unknown>;
  close(): Promise<void>;
}

/** Connects. */
export async function connectTo(url: string): Promise<RawRedis> {
  const client = createClient({ url });
  client.on('error', () => undefined);
  await client.connect();
  return {
    send: (...command) => client.sendCommand(command),
    async close() {
      client.destroy();
    },
  };
}
