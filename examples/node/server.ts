import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGateway } from 'headgate';
import { closeGracefully, toNodeHandler } from 'headgate/node';

/** A gateway on `node:http`, with two providers, two teams and a model that falls back to another. */
export async function start({ environment = process.env, port = Number(environment.PORT ?? 8787) } = {}) {
  const gateway = createGateway(
    {
      providers: {
        openai: { type: 'openai', apiKey: { env: 'OPENAI_API_KEY' }, baseUrl: environment.OPENAI_BASE_URL },
        anthropic: {
          type: 'anthropic',
          apiKey: { env: 'ANTHROPIC_API_KEY' },
          baseUrl: environment.ANTHROPIC_BASE_URL,
        },
      },
      models: {
        'gpt-4.1': { targets: ['openai', 'openai/gpt-4.1-mini'], aliases: ['smart'] },
        'claude-*': { targets: ['anthropic'] },
      },
      profiles: {
        standard: { models: ['gpt-*'], limits: [{ unit: 'requests', amount: 60, window: '1m' }] },
        agents: {
          models: ['*'],
          limits: [
            { unit: 'parallel', amount: 8 },
            { unit: 'tokens', amount: 2_000_000, window: '1d' },
          ],
        },
      },
      teams: { web: { profile: 'standard' }, automation: { profile: 'agents' } },
      // as `headgate keys create --team web` prints them
      keys: JSON.parse(environment.HEADGATE_KEYS ?? '[]'),
    },
    {
      environment,
      sink: (record) => console.log(`${record.team ?? '-'} ${record.model ?? '-'} ${record.status}`),
    },
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
