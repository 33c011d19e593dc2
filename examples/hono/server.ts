import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { createGateway } from 'headgate';
import { toHonoHandler } from 'headgate/hono';
import { closeGracefully } from 'headgate/node';
import { Hono } from 'hono';

/** A Hono application with routes of its own, and the gateway under `/ai`. It is the same on Bun, Deno and Workers. */
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

  const app = new Hono();
  app.get('/hello', (context) => context.json({ hello: 'world' }));
  app.all('/ai/*', toHonoHandler(gateway));

  const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' });
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
