import type { GatewayConfig } from '../../config/schema.ts';
import type { IssuedKey } from '../../keys/issue-key.ts';

/** The team of the key that a gateway without keys gets. */
export const localTeam = 'local';

const localProfile = 'headgate-local';

/** Adds a key, its team and, when the configuration has no such team, a profile for all models. */
export function withLocalKey(config: GatewayConfig, { record }: IssuedKey): GatewayConfig {
  // the configuration's type is that of plain, mutable data; the record is the same data
  const keys = [...(config.keys ?? []), record as NonNullable<GatewayConfig['keys']>[number]];
  if (config.teams?.[localTeam]) return { ...config, keys };
  return {
    ...config,
    keys,
    profiles: { ...config.profiles, [localProfile]: { models: ['*'] } },
    teams: { ...config.teams, [localTeam]: { profile: localProfile } },
  };
}

/** Lines to paste into the shell that a client runs in, for the SDKs whose providers are configured. */
export function exportLines(config: GatewayConfig, url: string, key: string): string[] {
  const types = new Set(Object.values(config.providers).map(({ type }) => type));
  return [
    ...(types.has('openai') ? [`export OPENAI_BASE_URL=${url}/v1`, `export OPENAI_API_KEY=${key}`] : []),
    ...(types.has('anthropic')
      ? [
          `export ANTHROPIC_BASE_URL=${url}`,
          `export ANTHROPIC_AUTH_TOKEN=${key}`,
          // the SDK would send both, and two different identities are refused
          'unset ANTHROPIC_API_KEY',
        ]
      : []),
    ...(types.has('gemini')
      ? [
          `export GOOGLE_GEMINI_BASE_URL=${url}`,
          `export GEMINI_API_KEY=${key}`,
          // takes precedence in the SDK
          'unset GOOGLE_API_KEY',
        ]
      : []),
  ];
}
