import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGateway, type GatewayConfig } from 'headgate';
import { toNodeHandler } from 'headgate/node';
import { createFakeUpstream, type FakeUpstream, type FakeUpstreamOptions } from 'headgate/testing';
import { makeKey } from '../harness.ts';
import type { Setup } from './clients.ts';

/** A gateway with two places to send everything to. */
export interface OutageSite {
  readonly setup: Setup;
  readonly primary: FakeUpstream;
  readonly backup: FakeUpstream;
  readonly records: ReturnType<typeof createGateway>['records'];
  close(): Promise<void>;
}

/** What all answers say. */
export const answer = 'It was a bright cold day in April, and the clocks were striking thirteen, as they do.';

/** Starts one; both places give the same answers. */
export async function createOutageSite(
  forwarding: NonNullable<GatewayConfig['forwarding']>,
  options: FakeUpstreamOptions = { reply: () => ({ text: answer }) },
): Promise<OutageSite> {
  // chunks that come together are looked at together, and what breaks behind them is not seen at all
  const primary = await createFakeUpstream({ chunkDelayMs: 10, ...options });
  const backup = await createFakeUpstream(options);
  const { key, record } = makeKey('payments');
  const toProviders = (place: string, { url }: FakeUpstream): GatewayConfig['providers'] => ({
    [`openai-${place}`]: { type: 'openai', baseUrl: `${url}/v1`, apiKey: 'sk-upstream' },
    [`anthropic-${place}`]: { type: 'anthropic', baseUrl: url, apiKey: 'sk-upstream' },
    [`gemini-${place}`]: { type: 'gemini', baseUrl: url, apiKey: 'sk-upstream' },
  });
  const toTargets = (family: string) => ({ targets: [`${family}-primary/model`, `${family}-backup/model`] });
  const gateway = createGateway({
    providers: { ...toProviders('primary', primary), ...toProviders('backup', backup) },
    models: {
      'team-gpt': toTargets('openai'),
      'team-claude': toTargets('anthropic'),
      'team-gemini': toTargets('gemini'),
    },
    profiles: { standard: {} },
    teams: { payments: { profile: 'standard' } },
    keys: [record],
    retry: { minBackoffMs: 1, maxBackoffMs: 5 },
    forwarding,
  });
  const server = createServer(toNodeHandler(gateway));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    setup: { root, key, maxRetries: 0 },
    primary,
    backup,
    get records() {
      return gateway.records;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await gateway.close({ drainMs: 1_000 });
      await primary.close();
      await backup.close();
    },
  };
}
