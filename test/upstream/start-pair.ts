import type { GatewayConfig } from 'headgate';
import { createFakeUpstream } from 'headgate/testing';
import { onTestFinished } from 'vitest';
import { startGateway } from '../harness.ts';

/** A gateway with a second upstream, named `backup`, behind the first as fallback for gpt-4.1. */
export async function startPair(more: Partial<GatewayConfig> = {}) {
  const backup = await createFakeUpstream();
  onTestFinished(() => backup.close());
  const started = await startGateway((config) => ({
    ...config,
    providers: {
      ...config.providers,
      backup: { type: 'openai', apiKey: 'sk-backup', baseUrl: `${backup.url}/v1` },
    },
    models: { 'gpt-4.1': { targets: ['openai', 'backup/second'] } },
    ...more,
  }));
  return { ...started, backup };
}
