import type { GatewayConfig } from 'headgate';
import { ConfigError } from 'headgate';
import { compileConfig } from '../../src/config/snapshot.ts';
import { builtInProviders } from '../../src/providers/index.ts';

/** The smallest sensible configuration. */
export const small: GatewayConfig = {
  providers: { openai: { type: 'openai', apiKey: 'sk-one' } },
  models: { 'gpt-4.1': { targets: ['openai'] } },
  profiles: { standard: {} },
  teams: { payments: { profile: 'standard' } },
};

export const compile = (config: GatewayConfig, environment: NodeJS.ProcessEnv = {}) =>
  compileConfig(config, { id: 'v1', providers: builtInProviders, environment });

/** What is wrong in a configuration: path and message of each issue; none when it compiles. */
export function issuesOf(config: unknown, environment?: NodeJS.ProcessEnv): string[] {
  try {
    compile(config as GatewayConfig, environment);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map(({ path, message }) => `${path}: ${message}`);
  }
}
