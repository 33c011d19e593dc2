import type { GatewayConfig } from '../../../src/config/schema.ts';
import type { Dialect } from './dialects.ts';
import type { Policy } from './table/row.ts';

/** Stand in the credentials of the gateway, and must stand nowhere else. */
export const credentials = ['sk-sentinel-first-5c1d7e90', 'sk-sentinel-second-77ab02f4'] as const;

/** Dollars for a million tokens. */
export const price = { input: 2, output: 8 };

/** Amounts that nothing here reaches: limits are there to be held and settled. */
const limits = [
  { unit: 'tokens', amount: 1_000_000_000_000, window: 'lifetime', per: 'organisation' },
  { unit: 'usd', amount: 1_000_000, window: 'lifetime', per: 'organisation' },
  { unit: 'parallel', amount: 100_000, per: 'organisation' },
] satisfies GatewayConfig['limits'];

type Key = NonNullable<GatewayConfig['keys']>[number];

/** One model with a target for each address, and the policy of a case. */
export function toConfig(
  dialect: Dialect,
  addresses: readonly string[],
  policy: Policy,
  key: Key,
): GatewayConfig {
  const names = ['first', 'second', 'third', 'fourth'];
  const providers = addresses.map((address, index) => [
    names[index],
    {
      type: dialect.provider,
      baseUrl: `${address}${dialect.basePath}`,
      apiKey: credentials[index] ?? `sk-sentinel-more-${index}`,
      connectTimeoutMs: policy.connectMs ?? 1_000,
      headersTimeoutMs: policy.headersMs ?? 20_000,
      idleTimeoutMs: policy.idleMs ?? 20_000,
    },
  ]);
  return {
    providers: Object.fromEntries(providers),
    models: {
      'the-model': {
        targets: names.slice(0, addresses.length).map((name) => ({
          ...{ provider: name, model: `model-${name}` },
          continues: policy.rescue?.includes('continue') ?? false,
        })),
        price,
      },
    },
    profiles: { standard: { limits } },
    teams: { payments: { profile: 'standard' } },
    keys: [key],
    retry: { maxAttempts: policy.maxAttempts ?? 3, minBackoffMs: 1, maxBackoffMs: 5 },
    forwarding: toForwarding(policy),
  };
}

function toForwarding({ firstTokenMs, totalMs, ...policy }: Policy): GatewayConfig['forwarding'] {
  const { commit, rescue, onMalformedChunk, hedgeAfterMs, onFailure } = policy;
  return {
    ...(commit && { commit }),
    ...(rescue && { rescue: [...rescue] }),
    ...(onMalformedChunk && { onMalformedChunk }),
    ...(hedgeAfterMs !== undefined && { hedgeAfterMs }),
    ...(onFailure && { onFailure }),
    timeouts: {
      ...(firstTokenMs !== undefined && { firstTokenMs }),
      ...(totalMs !== undefined && { totalMs }),
    },
  };
}
