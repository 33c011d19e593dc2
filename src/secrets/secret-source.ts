import { createRuntime, type Runtime } from '../runtime.ts';
import { createCurrentSecret } from './current-secret.ts';
import { createFileSource } from './file-source.ts';
import { createFunctionSource } from './function-source.ts';
import { maxTimerMs, readInteger } from './option.ts';
import type { Secret } from './secret.ts';
import { isSecretError, SecretError } from './secret-error.ts';
import type { Vault } from './vault.ts';
import { createVaultSource } from './vault-source.ts';

/**
 * Where a secret is: the text itself; an environment variable; a watched file; a function of the host, called again
 * periodically; a secret of the vault.
 */
export type SecretSourceConfig =
  | string
  | { readonly env: string }
  | { readonly file: string }
  | { readonly store: string }
  | (() => string | Promise<string>);

/** A secret that may change while the gateway runs. */
export interface SecretSource {
  /** Names it in messages. */
  readonly label: string;
  /**
   * The current secret; call it at each attempt. Costs less than a microsecond when nothing changed, and returns the
   * same object then. When a new value is unusable or cannot be fetched, the last good one stays.
   *
   * @throws SecretError when there has never been a usable value, or the vault says that it cannot be used any more:
   *   this credential is unavailable, another may serve (`toCredentialUnavailable` makes the error for the caller)
   */
  current(): Secret;
  /** Resolves when there is a usable value. @throws SecretError when it cannot be fetched; it is still retried */
  ready(): Promise<void>;
  /** Fetches it now, for instance because the provider refused it; one at a time. @throws SecretError as `ready` */
  refresh(): Promise<void>;
  /** Stops watching. `current` keeps returning the last value. */
  close(): void;
}

/** What sources need besides their configuration. */
export interface SecretSourceOptions {
  /** @default process.env */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly runtime?: Runtime;
  /** Where `{ store }` looks. */
  readonly vault?: Pick<Vault, 'get' | 'hold' | 'refresh'>;
  /** The provider entry that the secret is for: a secret of the vault for another one is refused. */
  readonly provider?: string;
  /** How often a file is checked. @default 1_000 */
  readonly pollMs?: number;
  /** How often a function is called. @default 60_000 */
  readonly refreshMs?: number;
  /** How long a function may take. @default 10_000 */
  readonly timeoutMs?: number;
  /** When a failed function is called again; doubles up to `refreshMs`. @default 1_000 */
  readonly retryMs?: number;
  /**
   * Called when a value is unusable or cannot be fetched, once for each reason until it works again. Secrets of a vault
   * are reported by the vault. What it throws is ignored.
   */
  readonly onError?: (error: SecretError) => void;
}

/** `SecretSourceOptions` with the defaults filled in, and where the value is kept. */
export interface SourceParts extends Omit<SecretSourceOptions, 'onError'> {
  readonly label: string;
  readonly runtime: Runtime;
  readonly pollMs: number;
  readonly refreshMs: number;
  readonly timeoutMs: number;
  readonly retryMs: number;
  readonly kept: ReturnType<typeof createCurrentSecret>;
}

/**
 * Creates a source and fetches its first value if that needs no waiting: from a text, the environment, a file, or a
 * function that returns a string. From a function that returns a promise, or the vault, it is there after `ready()`.
 * @throws TypeError naming the option when the first value is missing or unusable, or there is no vault to look in
 */
export function createSecretSource(
  label: string,
  config: SecretSourceConfig,
  options: SecretSourceOptions = {},
): SecretSource {
  const { runtime = createRuntime(), environment = process.env, onError, ...rest } = options;
  const kept = createCurrentSecret(label, onError);
  const integer = (name: 'pollMs' | 'refreshMs' | 'timeoutMs' | 'retryMs', fallback: number): number =>
    readInteger(`createSecretSource: "${name}"`, options[name], fallback, 1, maxTimerMs);
  const parts: SourceParts = {
    ...rest,
    label,
    runtime,
    kept,
    pollMs: integer('pollMs', 1_000),
    refreshMs: integer('refreshMs', 60_000),
    timeoutMs: integer('timeoutMs', 10_000),
    retryMs: integer('retryMs', 1_000),
  };
  try {
    if (typeof config === 'string') return createFixedSource(parts, config);
    if (typeof config === 'function') return createFunctionSource(parts, config);
    if ('env' in config) return createEnvironmentSource(parts, config.env, environment);
    if ('file' in config) return createFileSource(parts, config.file);
    return createVaultSource(parts, config.store);
  } catch (error) {
    if (!isSecretError(error)) throw error;
    throw new TypeError(error.message, error.cause === undefined ? undefined : { cause: error.cause });
  }
}

function createFixedSource({ label, kept }: SourceParts, text: string): SecretSource {
  kept.take(text);
  return { label, current: () => kept.read(), ready: done, refresh: done, close: nothing };
}

/** Reads the variable at every attempt: that is cheaper than tracking when it was read. */
function createEnvironmentSource(
  { label, kept }: SourceParts,
  name: string,
  environment: Readonly<Record<string, string | undefined>>,
): SecretSource {
  let last: string | undefined;
  const read = (): void => {
    const text = environment[name];
    if (text === last && text !== undefined) return;
    last = text;
    if (text === undefined) {
      throw new SecretError(
        'secret_unavailable',
        `${label}: the environment variable ${toShownName(name)} is not set.`,
        {
          secret: label,
        },
      );
    }
    kept.take(text);
  };
  read();
  return {
    label,
    current() {
      try {
        read();
      } catch (error) {
        kept.fail(error);
      }
      return kept.read();
    },
    ready: done,
    refresh: done,
    close: nothing,
  };
}

/** A secret itself is often written where the name of its variable belongs. */
function toShownName(name: string): string {
  return /^(?:[A-Z][A-Z0-9_]{0,63}|[a-z][a-z0-9_]{0,31})$/.test(name) ? name : 'that is named here';
}

async function done(): Promise<void> {}

function nothing(): void {}
