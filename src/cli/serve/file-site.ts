import type { GatewayConfig } from '../../config/schema.ts';
import { createSerial } from '../../config/serial.ts';
import { createGateway, type Gateway } from '../../gateway.ts';
import { type IssuedKey, issueKey } from '../../keys/issue-key.ts';
import type { Runtime } from '../../runtime.ts';
import { createUndiciEgress } from '../../upstream/undici-egress.ts';
import type { Io } from '../io.ts';
import { listProviderModels } from './list-provider-models.ts';
import { localTeam } from './local-key.ts';
import type { OpenSite, SiteOptions } from './open-site.ts';
import { type PreparedConfig, prepareConfig } from './prepare-config.ts';
import { watchConfig } from './reload.ts';
import { describeWarnings } from './warnings.ts';

/** A gateway whose configuration, keys included, comes from a file or the environment. */
export async function openFileSite({
  site,
  io,
  peppers,
  runtime,
  gateway: options,
  localKey: given,
}: SiteOptions): Promise<OpenSite> {
  let localKey: IssuedKey | undefined = given;
  const makeKey = () => {
    localKey ??= issueKey({ team: localTeam, environment: 'local' }, peppers, runtime);
    return localKey;
  };
  let listed: GatewayConfig['models'] = {};
  let { path } = site;
  const prepare = async (): Promise<PreparedConfig> => {
    const found = await prepareConfig({ ...site, path }, io, peppers, makeKey);
    // found once: while a file is missing for a moment, the gateway must not fall back to the environment, without keys
    path = found.loaded.file ?? path;
    // a file itself says which models there are
    if (found.loaded.file !== undefined) return found;
    return { ...found, config: { ...found.config, models: { ...listed, ...found.config.models } } };
  };
  let prepared = await prepare();
  const gateway = createGateway(prepared.config, options);
  if (prepared.loaded.file === undefined) {
    listed = await askProviders(gateway, runtime, io);
    prepared = await prepare();
    gateway.update(prepared.config);
  }
  const reload = createSerial(async () => {
    try {
      const next = await prepare();
      gateway.update(next.config);
      io.stderr.write(`headgate: configuration loaded again from ${next.loaded.source}.\n`);
      const warnings = await describeWarnings(gateway.snapshot.warnings, next.loaded, io);
      for (const warning of warnings) io.stderr.write(`headgate: ${warning}\n`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      io.stderr.write(`headgate: the new configuration is not used, the old one goes on: ${reason}\n`);
    }
  });
  const { file } = prepared.loaded;
  const unwatch = file === undefined ? undefined : watchConfig(file, () => void reload());
  return {
    gateway,
    prepared,
    reload: () => void reload(),
    stopFollowing: async () => unwatch?.(),
    release: async () => {},
  };
}

/** The environment names only providers; which models they have, only they know. */
async function askProviders(gateway: Gateway, runtime: Runtime, io: Io): Promise<GatewayConfig['models']> {
  const egress = createUndiciEgress();
  try {
    const { models, failures } = await listProviderModels(gateway.snapshot, egress, runtime);
    for (const failure of failures) {
      io.stderr.write(
        `headgate: models are served and not listed, since their provider could not be asked: ${failure}\n`,
      );
    }
    return models;
  } finally {
    await egress.close();
  }
}
