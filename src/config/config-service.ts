import { builtInProviders } from '../providers/index.ts';
import type { Provider } from '../providers/provider.ts';
import { createRuntime, type Runtime } from '../runtime.ts';
import type { ConfigStore, ConfigVersion, ConfigVersionInfo } from '../stores/config-store.ts';
import type { WritableKeyStore } from '../stores/key-store.ts';
import type { SecretStore } from '../stores/secret-store.ts';
import { checkStorable } from './check-storable.ts';
import { ConfigChangeError } from './config-change-error.ts';
import { ConfigError } from './config-error.ts';
import { type ConfigDifference, diffConfig } from './diff-config.ts';
import { toPlainConfig } from './plain-config.ts';
import type { GatewayConfig } from './schema.ts';
import { findMissingSecrets } from './stored-secrets.ts';
import { findStrandedKeys } from './stranded-keys.ts';

/** What a config service needs. */
export interface ConfigServiceOptions {
  readonly store: ConfigStore;
  /**
   * Throws a ConfigError for a configuration that no gateway could use: its form, its references, a lockout. Called
   * with what would be stored, before storing it. @default everything a gateway checks, except whether secrets are
   * where the configuration says
   */
  readonly check?: (config: GatewayConfig) => void | Promise<void>;
  /** Your own provider types, for the default `check`. @default none */
  readonly providers?: readonly Provider[];
  /** Where the keys are. If given, a team or project with live keys is not removed unless `force` is set. */
  readonly keys?: Pick<WritableKeyStore, 'listKeys'>;
  /** Where the secrets are. If given, a configuration that names a missing stored secret is refused. */
  readonly secrets?: Pick<SecretStore, 'findSecret'>;
  /** @default createRuntime() */
  readonly runtime?: Runtime;
}

/** How a configuration is applied. */
export interface ApplyOptions {
  /** Who makes the change. */
  readonly author: string;
  /** Why. */
  readonly message?: string;
  /**
   * The version it is based on; refused if that is no longer the latest. 0 for none. @default whatever the latest is
   */
  readonly expectedNumber?: number;
  /** Removes teams and projects even if they have live keys. @default false */
  readonly force?: boolean;
}

/** The result. */
export interface AppliedConfig {
  /** The latest version now. */
  readonly version: ConfigVersionInfo;
  /** Whether it is new; `false` if the latest was already equal. */
  readonly changed: boolean;
}

/** Changes a stored configuration, version by version. Gateways that follow the store apply each one. */
export interface ConfigService {
  /**
   * Checks a configuration and makes it the latest version. It is not stored if `check` refuses it, it contains a
   * function or a literal secret, or it equals the latest.
   *
   * @throws ConfigError listing every problem with its path
   * @throws ConfigChangeError `config_conflict`, `config_in_use`
   */
  apply(config: GatewayConfig, options: ApplyOptions): Promise<AppliedConfig>;
  /**
   * Stores the content of an older version as a new, latest one. It is checked again: what it refers to may be gone.
   *
   * @throws ConfigError, ConfigChangeError `config_not_found`, and as `apply`
   */
  rollback(number: number, options: ApplyOptions): Promise<AppliedConfig>;
  /**
   * What changed from one to the other; each is a version number or a configuration.
   *
   * @throws ConfigChangeError `config_not_found`
   */
  diff(before: number | GatewayConfig, after: number | GatewayConfig): Promise<readonly ConfigDifference[]>;
}

const maxRetries = 5;
const maxAuthorLength = 200;
const maxMessageLength = 1_000;

/**
 * Creates a config service: the rules for changing a stored configuration, whatever the store.
 * @throws TypeError naming the option that is missing
 */
export function createConfigService(options: ConfigServiceOptions): ConfigService {
  const { store, keys, secrets, runtime = createRuntime() } = options;
  const known = [...builtInProviders, ...(options.providers ?? [])];
  const check = options.check ?? ((config: GatewayConfig) => checkStorable(config, known));
  if (typeof store?.appendVersion !== 'function') {
    throw new TypeError('createConfigService: "store" must be a ConfigStore.');
  }
  if (typeof check !== 'function') throw new TypeError('createConfigService: "check" must be a function.');

  const requireVersion = async (number: number): Promise<ConfigVersion> => {
    const found = await store.readVersion(number);
    if (found) return found;
    throw new ConfigChangeError('config_not_found', `There is no version ${number} of the configuration.`);
  };
  const resolve = async (which: number | GatewayConfig): Promise<GatewayConfig> =>
    typeof which === 'number' ? (await requireVersion(which)).config : which;

  const requireNobodyStranded = async (
    latest: ConfigVersion | null,
    config: GatewayConfig,
  ): Promise<void> => {
    if (!keys) return;
    const stranded = await findStrandedKeys(keys, latest?.config, config, runtime.now());
    if (stranded.length === 0) return;
    const facts = stranded.map(
      ({ subject, count }) => `${subject}: ${count} live ${count === 1 ? 'key' : 'keys'}`,
    );
    throw new ConfigChangeError(
      'config_in_use',
      `Keys in use would be locked out (${facts.join(', ')}). Revoke them first, or force it.`,
    );
  };

  const apply: ConfigService['apply'] = async (input, { author, message, expectedNumber, force = false }) => {
    requireText('author', author, maxAuthorLength);
    if (message !== undefined) requireText('message', message, maxMessageLength);
    const { config, digest } = toPlainConfig(input);
    await check(config);
    const missing = secrets ? await findMissingSecrets(config, secrets) : [];
    if (missing.length > 0) throw new ConfigError(missing);
    for (let attempt = 0; ; attempt++) {
      const latest = await store.readLatest();
      const number = latest?.number ?? 0;
      if (expectedNumber !== undefined && expectedNumber !== number) {
        throw new ConfigChangeError(
          'config_conflict',
          `The latest version is ${number}, not ${expectedNumber}. Look at it, and apply again.`,
        );
      }
      if (latest?.digest === digest) return { version: toInfo(latest), changed: false };
      if (!force) await requireNobodyStranded(latest, config);
      const createdAtMs = runtime.now();
      const version = { config, digest, author, createdAtMs, ...(message !== undefined && { message }) };
      const stored = await store.appendVersion(version, number);
      if (stored) return { version: toInfo(stored), changed: true };
      if (attempt === maxRetries) {
        throw new ConfigChangeError('config_conflict', 'Others keep changing the configuration. Try again.');
      }
      await new Promise<void>((done) => runtime.schedule(runtime.random() * 10 * 2 ** attempt, done));
    }
  };

  return {
    apply,
    async rollback(number, rollbackOptions) {
      const { config } = await requireVersion(number);
      return await apply(config, { message: `rollback to version ${number}`, ...rollbackOptions });
    },
    diff: async (before, after) => diffConfig(await resolve(before), await resolve(after)),
  };
}

function toInfo({ number, author, createdAtMs, message, digest }: ConfigVersion): ConfigVersionInfo {
  return { number, author, createdAtMs, digest, ...(message !== undefined && { message }) };
}

function requireText(option: string, value: unknown, maxLength: number): void {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= maxLength) return;
  throw new TypeError(`apply: "${option}" must be a text of 1 to ${maxLength} characters.`);
}
