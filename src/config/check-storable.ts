import type { Provider } from '../providers/provider.ts';
import type { GatewayConfig } from './schema.ts';
import { compileConfig } from './snapshot.ts';

/**
 * Checks a configuration as a gateway would, without the secrets that only the gateway's machine holds.
 *
 * @param providers The provider types that its gateways know.
 * @throws ConfigError listing every problem
 */
export function checkStorable(config: GatewayConfig, providers: readonly Provider[]): void {
  compileConfig(withStandIns(config), { id: 'check', providers, environment: {} }).close();
}

type Providers = GatewayConfig['providers'];

const everyPlace = ['env', 'file', 'store'];

/** The configuration with a stand-in for every secret reference of these kinds: as on a machine that has them all. */
export function withStandIns(config: GatewayConfig, kinds = everyPlace): GatewayConfig {
  // it is not checked yet: other forms stay as they are, for the schema to report
  if (!isObject(config) || !isObject(config.providers)) return config;
  const providers = Object.entries(config.providers).map(([id, entry]) => {
    if (!isObject(entry)) return [id, entry];
    const { credentials } = entry;
    return [
      id,
      {
        ...withStandIn(entry, kinds),
        ...(Array.isArray(credentials) && {
          credentials: credentials.map((each) => (isObject(each) ? withStandIn(each, kinds) : each)),
        }),
      },
    ];
  });
  return { ...config, providers: Object.fromEntries(providers) as Providers };
}

function withStandIn<T extends { readonly apiKey?: unknown }>(holder: T, kinds: readonly string[]): T {
  return holder.apiKey === undefined ? holder : { ...holder, apiKey: toStandIn(holder.apiKey, kinds) };
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Replaces only what has the form of a reference. */
function toStandIn<T>(source: T, kinds: readonly string[]): T | string {
  if (!isObject(source)) return source;
  const [entry, ...more] = Object.entries(source as object);
  const isPlace =
    entry !== undefined &&
    more.length === 0 &&
    kinds.includes(entry[0]) &&
    typeof entry[1] === 'string' &&
    entry[1] !== '';
  return isPlace ? 'taken-as-present' : source;
}
