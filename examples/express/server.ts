import type { AddressInfo } from 'node:net';
import express from 'express';
import { createGateway } from 'headgate';
import { toExpressHandler } from 'headgate/express';
import { closeGracefully } from 'headgate/node';

/** An Express application with routes of its own, and the gateway under `/ai`. */
export async function start({ environment = process.env, port = Number(environment.PORT ?? 8787) } = {}) {
  const gateway = createGateway(
    {
      providers: {
        openai: { type: 'openai', apiKey: { env: 'OPENAI_API_KEY' }, baseUrl: environment.OPENAI_BASE_URL },
      },
      models: { 'gpt-4.1': { targets: ['openai'] } },
      profiles: { standard: { limits: [{ unit: 'requests', amount: 60, window: '1m' }] } },
      teams: { web: { profile: 'standard' } },
      keys: JSON.parse(environment.HEADGATE_KEYS ?? '[]'),
    },
    { environment },
  );

  const app = express();
  // before body parsers: the gateway reads the body itself, and only after it knows the key
  app.use('/ai', toExpressHandler(gateway));
  app.use(express.json());
  app.get('/hello', (_request, response) => {
    response.json({ hello: 'world' });
  });

  const server = app.listen(port, '127.0.0.1');
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ai`;
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
