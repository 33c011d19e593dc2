import type { GatewayConfig } from '../../../../src/config/schema.ts';
import type { Scenario } from './scenario.ts';
import { onStage } from './stage.ts';

/** Three targets, the last one with a larger window than the first. */
function withWindows(config: GatewayConfig): GatewayConfig {
  const targets = [
    { provider: 'first', model: 'model-first', contextWindow: 8_000 },
    { provider: 'second', model: 'model-second', contextWindow: 8_000 },
    { provider: 'third', model: 'model-third', contextWindow: 1_000_000 },
  ];
  return { ...config, models: { 'the-model': { ...config.models?.['the-model'], targets } } };
}

/** A request that is too long for one target and not for another. */
export const largerWindow: Scenario = {
  title:
    'a request that is too long for its target goes to one with a larger window, and to no other with the same one',
  async run() {
    return onStage({ targets: 3, change: withWindows }, async ({ site, upstreams, check }) => {
      const [first, second, third] = upstreams;
      first?.script({ do: 'status', status: 400, body: 'too-long' });
      second?.script({ do: 'status', status: 400, body: 'too-long' });
      const got = await site.ask(false);
      check(got.status === 200, `status ${got.status}, not 200`);
      check(first?.seen.length === 1, `${first?.seen.length} requests reached the first target`);
      check(
        second?.seen.length === 0,
        `${second?.seen.length} requests reached a target with the same window`,
      );
      check(
        third?.seen.length === 1,
        `${third?.seen.length} requests reached the one with the larger window`,
      );
    });
  },
};
