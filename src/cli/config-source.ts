import { ConfigError } from '../config/config-error.ts';
import { type LoadedConfig, loadConfig } from '../config/load-config.ts';
import type { Stores } from '../stores/stores.ts';
import { toVersionInfo } from '../stores/version-info.ts';
import { formatIssue, locateIssues } from './check-config.ts';
import { CommandError, type OptionValues, optionalText, UsageError } from './command.ts';
import type { Io } from './io.ts';
import { describeStore, optionalStoreUrl, withStores } from './open-stores.ts';

/** The latest configuration in a store, in the form of one read from a file. @throws CommandError when there is none */
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
    version: toVersionInfo(latest),
    locate: () => Promise.resolve([]),
  };
}

/** The configuration that the options name: the latest in a store, else a file's, else the environment's. */
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

/** Turns a ConfigError into lines that name file, line and column where they are known. */
export async function explainIssues(error: unknown, loaded: LoadedConfig, io: Io): Promise<unknown> {
  if (!(error instanceof ConfigError)) return error;
  const issues = await locateIssues(error.issues, loaded);
  return new CommandError(issues.map((issue) => formatIssue(issue, io.cwd)).join('\n'), { cause: error });
}
