import type { Provider } from '../providers/provider.ts';
import type { GatewayConfig } from './schema.ts';
import { compileConfig } from './snapshot.ts';

/**
 * Checks a configuration as a gateway would, without the secrets that only the gateway's machine holds.
 *
 * @param providers The provider types that its gateways know.
 * @throws ConfigError with everything that is wrong
 */
export function checkStorable(config: GatewayConfig, providers: readonly Provider[]): void {
  compileConfig(withStandIns(config), { id: 'check', providers, environment: {} }).close();
}

type Providers = GatewayConfig['providers'];

const everyPlace = ['env', 'file', 'store'];

/** The configuration with every place of a secret, of these kinds, filled: as on a machine that has them all. */
export function withStandIns(config: GatewayConfig, kinds = everyPlace): GatewayConfig {
  const providers = Object.entries(config.providers ?? {}).map(([id, entry]) => {
    const { apiKey, credentials } = entry;
    return [
      id,
      {
        ...entry,
        ...(apiKey !== undefined && { apiKey: toStandIn(apiKey, kinds) }),
        ...(Array.isArray(credentials) && {
          credentials: credentials.map((each) => ({ ...each, apiKey: toStandIn(each.apiKey, kinds) })),
        }),
      },
    ];
  });
  return { ...config, providers: Object.fromEntries(providers) as Providers };
}

/** Only what is a place of a secret by its form; the schema says what is wrong with anything else. */
function toStandIn<T>(source: T, kinds: readonly string[]): T | string {
  if (typeof source !== 'object' || source === null) return source;
  const [entry, ...more] = Object.entries(source);
  const isPlace =
    entry !== undefined &&
    more.length === 0 &&
    kinds.includes(entry[0]) &&
    typeof entry[1] === 'string' &&
    entry[1] !== '';
  return isPlace ? 'taken-as-present' : source;
}
