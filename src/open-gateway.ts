import { type ConfigFollower, followConfig } from './config/follow-config.ts';
import { createGateway, type Gateway, type GatewayOptions } from './gateway.ts';
import { createRuntime } from './runtime.ts';
import type { KeyEncryptionRing } from './secrets/key-encryption-ring.ts';
import { createVault, type Vault } from './secrets/vault.ts';
import type { Stores } from './stores/stores.ts';

/** What a gateway over stores is opened with; the rest is as in `createGateway`. */
export interface OpenGatewayOptions extends Omit<GatewayOptions, 'keys' | 'vault' | 'version'> {
  /** Where configuration, keys and sealed secrets are. They stay open when the gateway closes. */
  readonly stores: Pick<Stores, 'keys' | 'config' | 'secrets'>;
  /** What sealed secrets are opened with. Without it `{ store: id }` secrets cannot be used. @default none */
  readonly secretKeys?: KeyEncryptionRing;
  /**
   * How often the stores are asked whether configuration or secrets have changed, whether they tell of changes or not.
   * @default 2_000
   */
  readonly pollMs?: number;
}

/** A gateway that follows its stores. */
export interface OpenGateway extends Gateway {
  /** Which version of the configuration is in force, and whether the store still answers. */
  readonly following: ConfigFollower;
  /** The sealed provider credentials; undefined without `secretKeys`. */
  readonly vault: Vault | undefined;
}

/**
 * Opens a gateway over stores: it serves the latest version of the stored configuration, takes over every newer one
 * without a restart, and finds its keys and provider credentials there. A version that is not valid is reported to
 * `onError` and the one before it stays in force.
 *
 * @example
 * const stores = createPostgresStores({ connectionString: process.env.DATABASE_URL });
 * await stores.migrate();
 * const gateway = await openGateway({ stores, peppers, secretKeys });
 * createServer(toNodeHandler(gateway)).listen(8787);
 * @throws TypeError when the store has no configuration yet
 * @throws ConfigError when the latest version is not valid
 * @throws Error when a store cannot be reached
 */
export async function openGateway(options: OpenGatewayOptions): Promise<OpenGateway> {
  const { stores, secretKeys, pollMs = 2_000, ...rest } = options;
  const runtime = options.runtime ?? createRuntime();
  const onError = options.onError ?? (() => undefined);
  const vault =
    secretKeys && createVault({ store: stores.secrets, ring: secretKeys, runtime, pollMs, onError });
  try {
    await vault?.load();
    const first = await stores.config.readLatest();
    if (!first) {
      throw new TypeError(
        'The store has no configuration yet. Put one there with `headgate config apply` or createConfigService.',
      );
    }
    const gateway = createGateway(first.config, {
      ...rest,
      runtime,
      keys: stores.keys,
      version: first,
      ...(vault && { vault }),
    });
    const following = followConfig({
      store: stores.config,
      from: first.number,
      apply: (version) => gateway.update(version.config, version),
      pollMs,
      runtime,
      onError,
    });
    return {
      handle: gateway.handle,
      fetch: gateway.fetch,
      update: gateway.update,
      forgetKey: gateway.forgetKey,
      explain: gateway.explain,
      get snapshot() {
        return gateway.snapshot;
      },
      get records() {
        return gateway.records;
      },
      following,
      vault,
      async close(closeOptions) {
        await following.stop();
        await gateway.close(closeOptions);
        await vault?.close();
      },
    };
  } catch (error) {
    await vault?.close();
    throw error;
  }
}
