import { ConfigError } from '../../config/config-error.ts';
import { openGateway } from '../../open-gateway.ts';
import type { Stores } from '../../stores/stores.ts';
import { loadStoredConfig } from '../config-source.ts';
import { optionalKeyEncryptionRing } from '../key-encryption.ts';
import { openStores, requirePlace, toStoreError } from '../open-stores.ts';
import type { OpenSite, SiteOptions } from './open-site.ts';
import { requireOtherProviders, warnOfPeppers } from './prepare-config.ts';

/** A gateway whose configuration, keys and credentials come from a store, and that follows every change to them. */
export async function openStoreSite(url: string, options: SiteOptions): Promise<OpenSite> {
  let stores: Stores | undefined;
  try {
    requirePlace(url, options.io);
    stores = await openStores(url, options.io);
    return await openSite(url, stores, options);
  } catch (error) {
    await stores?.close().catch(() => undefined);
    throw error instanceof ConfigError ? error : toStoreError(error, url);
  }
}

async function openSite(url: string, stores: Stores, options: SiteOptions): Promise<OpenSite> {
  const { site, io, peppers, runtime } = options;
  await stores.migrate();
  const loaded = await loadStoredConfig(stores, url);
  const secretKeys = optionalKeyEncryptionRing(io.environment);
  const gateway = await openGateway({
    ...options.gateway,
    stores,
    runtime,
    onError: (error) => io.stderr.write(`headgate: ${describe(error)}\n`),
    onUpdate({ warnings }) {
      for (const { path, message } of warnings) io.stderr.write(`headgate: warning: ${path}: ${message}\n`);
    },
    ...(secretKeys && { secretKeys }),
  });
  try {
    requireOtherProviders(gateway.snapshot, site);
    // the first thousand show whether the pepper is wrong; failing to check is no reason not to start
    const keys = await stores.keys.listKeys({ active: true, limit: 1_000 }).catch((error: unknown) => {
      io.stderr.write(
        `headgate: the keys cannot be listed, so their peppers are not checked: ${describe(error)}\n`,
      );
      return [];
    });
    warnOfPeppers(keys, peppers, io);
  } catch (error) {
    await gateway.close();
    throw error;
  }
  return {
    gateway,
    prepared: { config: loaded.config, loaded, localKey: undefined, hasKeyStore: true },
    reload: () => void gateway.following.check(),
    stopFollowing: () => gateway.following.stop(),
    release: () => stores.close(),
  };
}

/** Errors written for operators need no stack; anything else shows where it came from. */
function describe(error: unknown): string {
  if (error instanceof ConfigError)
    return `the new configuration is not used, the old one goes on: ${error.message}`;
  const isFault = error instanceof Error && error.cause === undefined && error.name.endsWith('TypeError');
  if (isFault) return error.stack ?? error.message;
  return error instanceof Error ? error.message : String(error);
}
