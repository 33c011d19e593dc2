import { ConfigError } from '../config/config-error.ts';
import { type LoadedConfig, loadConfig } from '../config/load-config.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { compileConfig } from '../config/snapshot.ts';
import { builtInProviders } from '../providers/index.ts';
import type { Stores } from '../stores/stores.ts';
import { formatIssue, locateIssues } from './check-config.ts';
import { CommandError, type OptionValues, optionalText, UsageError } from './command.ts';
import type { Io } from './io.ts';
import { describeStore, optionalStoreUrl, withStores } from './open-stores.ts';

/** The latest configuration in a store, in the form of one that was read from a file. @throws CommandError when there is none */
export async function loadStoredConfig(stores: Stores, url: string): Promise<LoadedConfig> {
  const latest = await stores.config.readLatest();
  if (!latest) {
    throw new CommandError(
      `There is no configuration in ${describeStore(url)} yet. Put one there with headgate config apply.`,
    );
  }
  return {
    config: latest.config,
    source: `${describeStore(url)} (version ${latest.number})`,
    locate: () => Promise.resolve(undefined),
  };
}

/** The configuration that the options name: the latest of a store, else a file, else what the environment says. */
export async function loadAnyConfig(values: OptionValues, io: Io): Promise<LoadedConfig> {
  const url = configStoreUrl(values, io);
  if (url !== undefined) return await withStores(url, io, (stores) => loadStoredConfig(stores, url));
  return await loadConfig(optionalText(values, 'config'), { cwd: io.cwd, environment: io.environment });
}

/** The store that the configuration is in, unless a file is named. @throws UsageError when both are */
export function configStoreUrl(values: OptionValues, io: Io): string | undefined {
  if (optionalText(values, 'config') === undefined) return optionalStoreUrl(values, io);
  if (values.store !== undefined) throw new UsageError('Give --config or --store, not both.');
  return undefined;
}

/**
 * Checks a configuration as a gateway would, without the secrets that only the gateway's machine holds.
 *
 * @throws ConfigError with everything that is wrong
 */
export function checkStorable(config: GatewayConfig): void {
  compileConfig(withStandIns(config), { id: 'check', providers: builtInProviders, environment: {} }).close();
}

/** Turns a ConfigError into lines that name file, line and column where they are known. */
export async function explainIssues(error: unknown, loaded: LoadedConfig, io: Io): Promise<unknown> {
  if (!(error instanceof ConfigError)) return error;
  const issues = await locateIssues(error.issues, loaded);
  return new CommandError(issues.map((issue) => formatIssue(issue, io.cwd)).join('\n'), { cause: error });
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
