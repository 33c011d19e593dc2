import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGateway } from 'headgate';
import { closeGracefully, toNodeHandler } from 'headgate/node';

/** A gateway with routes: a canary, tiers, a region that requests never leave, and a cheaper model for what is left of a budget. */
export async function start({ environment = process.env, port = Number(environment.PORT ?? 8787) } = {}) {
  const gateway = createGateway(
    {
      providers: {
        openai: {
          type: 'openai',
          apiKey: { env: 'OPENAI_API_KEY' },
          baseUrl: environment.OPENAI_BASE_URL,
          region: 'us',
        },
        europe: {
          type: 'openai',
          apiKey: { env: 'OPENAI_API_KEY' },
          baseUrl: environment.EUROPE_BASE_URL ?? 'https://eu.api.openai.com/v1',
          region: 'eu-west',
        },
      },
      models: { 'gpt-4.1': { targets: ['openai', 'europe'], price: { input: 2, output: 8 } } },
      profiles: {
        standard: {
          models: ['gpt-4.1'],
          limits: [{ unit: 'usd', amount: Number(environment.DAILY_USD ?? 5), window: '1d' }],
        },
        // its requests stay in Europe or are not handled at all, whatever fails
        european: { models: ['gpt-4.1'], regions: ['eu-*'] },
      },
      teams: { web: { profile: 'standard' }, claims: { profile: 'european' } },
      routes: [
        // the last fifth of a key's budget goes further
        { name: 'thrift', match: { spent: { atLeastPercent: 80 } }, targets: ['openai/gpt-4.1-mini'] },
        {
          name: 'canary',
          match: { teams: ['web'], operations: ['chat', 'response'] },
          tiers: [
            {
              targets: [
                { provider: 'openai', weight: 90, arm: 'stable' },
                { provider: 'openai', model: 'gpt-5', weight: 10, arm: 'canary' },
              ],
            },
            // used when all of the first tier have failed
            { targets: ['europe'] },
          ],
          // a broken stream is restarted elsewhere, and its caller gets the rest of the answer
          forwarding: { rescue: ['restart'] },
        },
      ],
      // as `headgate keys create --team web` prints them
      keys: JSON.parse(environment.HEADGATE_KEYS ?? '[]'),
    },
    {
      environment,
      sink: ({ route = '-', arm = '-', target = '-', status }) =>
        console.log(`${route} ${arm} ${target} ${status}`),
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
