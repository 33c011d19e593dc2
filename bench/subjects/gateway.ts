import { randomBytes } from 'node:crypto';
import {
  createGateway,
  createKey,
  createPepperRing,
  createRuntime,
  type Egress,
  type Gateway,
  hashSecret,
} from 'headgate';
import { modelName } from '../payloads.ts';

/**
 * The gateway of every Headgate subject: the default pipeline with all its stages, one limit of each unit (none is
 * ever reached, all are counted), prices, and a record of each request kept in memory (the last 1,000).
 */
export function createBenchGateway(upstreamUrl: string, egress?: Egress): { gateway: Gateway; key: string } {
  const created = createKey(createRuntime());
  const peppers = createPepperRing({ current: 'bench', peppers: { bench: randomBytes(32) } });
  const gateway = createGateway(
    {
      providers: { openai: { type: 'openai', baseUrl: `${upstreamUrl}/v1`, apiKey: 'sk-bench-upstream' } },
      models: {
        [modelName]: { targets: ['openai'], price: { input: 2, output: 8 }, maxOutputTokens: 4_096 },
      },
      profiles: {
        bench: {
          models: ['bench-*'],
          limits: [
            { unit: 'requests', amount: 2_000_000_000, window: '1m' },
            { unit: 'tokens', amount: 2_000_000_000, window: '1m' },
            { unit: 'parallel', amount: 100_000 },
          ],
        },
      },
      teams: { bench: { profile: 'bench', limits: [{ unit: 'usd', amount: '9000000', window: '1d' }] } },
      keys: [
        {
          kid: created.kid,
          environment: created.environment,
          last4: created.last4,
          ...hashSecret(peppers, created.secret),
          team: 'bench',
          owner: 'bench@example.com',
          createdAtMs: Date.now(),
        },
      ],
    },
    { peppers, ...(egress && { egress }) },
  );
  return { gateway, key: created.key };
}
