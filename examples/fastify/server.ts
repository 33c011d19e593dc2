import Fastify from 'fastify';
import { createGateway } from 'headgate';
import { headgate } from 'headgate/fastify';

/** A Fastify application with routes of its own, and the gateway under `/ai`. */
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

  const app = Fastify();
  app.get('/hello', async () => ({ hello: 'world' }));
  // a plugin of its own: parsers and hooks of the other routes stay as they are
  await app.register(headgate(gateway), { prefix: '/ai' });
  app.addHook('onClose', () => gateway.close());

  const address = await app.listen({ port, host: '127.0.0.1' });
  return { url: `${address}/ai`, close: () => app.close() };
}

if (process.argv[1] === import.meta.filename) {
  const { url, close } = await start();
  console.log(`OPENAI_BASE_URL=${url}/v1`);
  process.once('SIGTERM', close);
}
