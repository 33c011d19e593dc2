import { createHash } from 'node:crypto';
import type { GatewayConfig } from '../../config/schema.ts';
import type { NewConfigVersion } from '../../stores/config-store.ts';
import { sampleRecord } from './key-store-samples.ts';

/** A small configuration that the gateway accepts. */
export const smallConfig: GatewayConfig = {
  providers: { openai: { type: 'openai', apiKey: { env: 'OPENAI_API_KEY' } } },
  models: { 'gpt-4.1': { targets: ['openai'] } },
};

/** Unordered names, numbers of every kind, empty values, and text that encodings get wrong. */
export const everyConfig: GatewayConfig = {
  teams: { zeta: { profile: 'standard' }, alpha: { profile: 'standard', limits: [] } },
  models: {
    'z-model': { targets: ['openai/模型 "quoted" \\ back'], displayName: "O'Brien 🔑 \u2028 é e\u0301 ﬃ" },
    'a-model': { targets: ['openai'], aliases: [], price: { input: 0.1, output: 1.0000000000000002 } },
    '*': { targets: ['openai'], enabled: false, maxOutputTokens: 9_007_199_254_740_991 },
  },
  providers: {
    openai: {
      type: 'openai',
      apiKey: { env: 'OPENAI_API_KEY' },
      baseUrl: 'https://example.com/v1?a=1&b=%20',
      headers: { 'x-z': '$1 $[x] :y', 'x-a': '' },
    },
  },
  profiles: {
    standard: { models: ['*'], limits: [{ unit: 'usd', amount: '0.000001', window: '30d' }] },
  },
  limits: [],
  keys: [sampleRecord('Aa0000000001', { labels: { b: '1', a: '2' } })],
};

/** More than a megabyte of configuration. */
export function bigConfig(): GatewayConfig {
  const models = Array.from({ length: 8_000 }, (_, index) => [
    `vendor/model-${index}`,
    { targets: [`openai/upstream-${index}`], displayName: `Model ${index} ${'–é🔑'.repeat(25)}` },
  ]);
  return { ...smallConfig, models: Object.fromEntries(models) };
}

/** A version as a service would append it. */
export function sampleVersion(label: string): NewConfigVersion {
  const config: GatewayConfig = {
    ...smallConfig,
    teams: { [label.replaceAll(' ', '-')]: { profile: 'standard' } },
  };
  return {
    author: `author of ${label}`,
    createdAtMs: 1_900_000_000_123,
    message: `why ${label}`,
    digest: createHash('sha256').update(JSON.stringify(config)).digest('hex'),
    config,
  };
}
