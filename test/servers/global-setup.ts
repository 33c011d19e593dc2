import { createServer } from 'node:http';
import type { TestProject } from 'vitest/node';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';
import type { TestServer } from './test-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where `sharedServer` asks for the servers of this run. */
    serversUrl: string;
  }
}

const starters: Readonly<Record<string, () => Promise<TestServer>>> = {
  postgres: () => startPostgres(),
  redis: () => startRedis(),
};

/**
 * One PostgreSQL and one Redis for all test files, each started when the first file asks for it by `sharedServer`, and
 * ended with the run: by the function that this returns, or by their watchdogs when the run dies.
 */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const started = new Map<string, Promise<TestServer>>();
  const broker = createServer(async (request, response) => {
    const name = (request.url ?? '').slice(1);
    const start = starters[name];
    if (!start) {
      response.writeHead(404).end(`There is no server "${name}".`);
      return;
    }
    const starting = started.get(name) ?? start();
    started.set(name, starting);
    try {
      response.end((await starting).url);
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.message : String(error));
    }
  });
  await new Promise<void>((resolve) => broker.listen(0, '127.0.0.1', resolve));
  provide('serversUrl', `http://127.0.0.1:${(broker.address() as { port: number }).port}`);
  return async () => {
    broker.closeAllConnections();
    await new Promise((resolve) => broker.close(resolve));
    const servers = await Promise.allSettled(started.values());
    await Promise.all(servers.map((end) => (end.status === 'fulfilled' ? end.value.stop() : undefined)));
  };
}
