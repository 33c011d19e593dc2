import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGateway } from 'headgate';
import { closeGracefully, toNodeHandler } from 'headgate/node';
import { createFileKeyStore } from './file-key-store.ts';

/** A gateway whose keys live in a custom store, here a directory of files. */
export async function start({ environment = process.env, port = Number(environment.PORT ?? 8787) } = {}) {
  const gateway = createGateway(
    {
      providers: {
        openai: { type: 'openai', apiKey: { env: 'OPENAI_API_KEY' }, baseUrl: environment.OPENAI_BASE_URL },
      },
      models: { 'gpt-4.1': { targets: ['openai'] } },
      profiles: { standard: { limits: [{ unit: 'requests', amount: 60, window: '1m' }] } },
      teams: { web: { profile: 'standard' } },
    },
    // the gateway follows what the store reports: a changed record is read again at the next request
    { environment, keys: createFileKeyStore(environment.KEY_DIRECTORY ?? 'keys') },
  );

  const server = createServer(toNodeHandler(gateway));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    async close() {
      await closeGracefully(server, { drainMs: 10_000 });
      await gateway.close();
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  const { url, close } = await start();
  console.log(`OPENAI_BASE_URL=${url}/v1`);
  process.once('SIGTERM', close);
}
