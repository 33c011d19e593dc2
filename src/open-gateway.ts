import { type ConfigFollower, followConfig } from './config/follow-config.ts';
import { createGateway, type Gateway } from './gateway.ts';
import type { GatewayOptions } from './gateway-options.ts';
import { createRuntime } from './runtime.ts';
import type { KeyEncryptionRing } from './secrets/key-encryption-ring.ts';
import { maxTimerMs, readInteger } from './secrets/option.ts';
import { createVault, type Vault } from './secrets/vault.ts';
import type { Stores } from './stores/stores.ts';
import { toVersionInfo } from './stores/version-info.ts';

/** Options of `openGateway`; the rest are those of `createGateway`. */
export interface OpenGatewayOptions extends Omit<GatewayOptions, 'keys' | 'vault' | 'version'> {
  /**
   * Where configuration, keys and sealed secrets are, and limits if the backend keeps them. Stores stay open when the
   * gateway closes.
   */
  readonly stores: Pick<Stores, 'keys' | 'config' | 'secrets' | 'ledger' | 'hints'>;
  /** Opens sealed secrets. Without it `{ store: id }` secrets cannot be used. @default none */
  readonly secretKeys?: KeyEncryptionRing;
  /**
   * How often the stores are polled for changed configuration or secrets, whether they announce changes or not.
   * @default 2_000
   */
  readonly pollMs?: number;
}

/** A gateway that follows its stores. */
export interface OpenGateway extends Gateway {
  /** Which version of the configuration is in force, and when the store last answered. */
  readonly following: ConfigFollower;
  /** The sealed provider credentials; undefined without `secretKeys`. */
  readonly vault: Vault | undefined;
}

/**
 * Opens a gateway over stores: it serves the latest version of the stored configuration, adopts every newer one without
 * a restart, and finds its keys and provider credentials there. An invalid version is reported to `onError` and the one
 * before it stays in force, as it does while the store fails.
 *
 * Keys come from the key store alone; `keys` in the configuration are ignored. The stores are not migrated here.
 *
 * Limits are kept in `ledger` if it is given, else in the store if it keeps limits (SQLite, PostgreSQL, Redis), shared
 * with every other gateway on it, else in the memory of this process.
 *
 * @example
 * const stores = createPostgresStores({ connectionString: process.env.DATABASE_URL });
 * await stores.migrate();
 * const gateway = await openGateway({ stores, peppers, secretKeys });
 * createServer(toNodeHandler(gateway)).listen(8787);
 * @throws TypeError when the store has no configuration yet, or `pollMs` is out of range
 * @throws ConfigError when the latest version is invalid
 * @throws Error when a store cannot be reached
 */
export async function openGateway(options: OpenGatewayOptions): Promise<OpenGateway> {
  const { stores, secretKeys, pollMs: givenPollMs, ...rest } = options;
  const pollMs = readInteger('openGateway: "pollMs"', givenPollMs, 2_000, 1, maxTimerMs);
  const runtime = options.runtime ?? createRuntime();
  const onError = options.onError ?? (() => undefined);
  const vault =
    secretKeys && createVault({ store: stores.secrets, ring: secretKeys, runtime, pollMs, onError });
  let gateway: Gateway | undefined;
  try {
    await vault?.load();
    const first = await stores.config.readLatest();
    if (!first) {
      throw new TypeError(
        'The store has no configuration yet. Put one there with `headgate config apply` or createConfigService.',
      );
    }
    const ledger = options.ledger ?? stores.ledger;
    gateway = createGateway(first.config, {
      ...(stores.hints && { hints: stores.hints }),
      ...rest,
      ...(ledger && { ledger, limits: { leasing: options.ledger === undefined, ...options.limits } }),
      runtime,
      keys: stores.keys,
      version: toVersionInfo(first),
      ...(vault && { vault }),
    });
    const { update } = gateway;
    const following = followConfig({
      store: stores.config,
      from: first.number,
      apply: (version) => update(version.config, toVersionInfo(version)),
      pollMs,
      runtime,
      onError,
    });
    return join(gateway, following, vault);
  } catch (error) {
    await gateway?.close();
    await vault?.close();
    throw error;
  }
}

function join(gateway: Gateway, following: ConfigFollower, vault: Vault | undefined): OpenGateway {
  return {
    handle: gateway.handle,
    fetch: gateway.fetch,
    update: gateway.update,
    forgetKey: gateway.forgetKey,
    explain: gateway.explain,
    health: gateway.health,
    run: gateway.run,
    endRun: gateway.endRun,
    get snapshot() {
      return gateway.snapshot;
    },
    get records() {
      return gateway.records;
    },
    following,
    vault,
    async close(options) {
      try {
        await following.stop();
        // running requests still use the vault's credentials
        await gateway.close(options);
      } finally {
        await vault?.close();
      }
    },
  };
}
