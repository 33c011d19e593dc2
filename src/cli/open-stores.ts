import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkStorable } from '../config/check-storable.ts';
import { isConfigChangeError } from '../config/config-change-error.ts';
import { isKeyError } from '../keys/key-error.ts';
import { builtInProviders } from '../providers/index.ts';
import { isSecretError } from '../secrets/secret-error.ts';
import { createMemoryStores } from '../stores/memory/memory-stores.ts';
import type { Stores } from '../stores/stores.ts';
import { CommandError, type CommandOption, type OptionValues, optionalText, UsageError } from './command.ts';
import type { Io } from './io.ts';

const forms = 'file:<directory>, sqlite:<file>, postgres://…, redis://… or memory:';

/** The option of every command that works on stores. */
export const storeOption: Readonly<Record<string, CommandOption>> = {
  store: {
    type: 'string',
    short: 's',
    value: 'url',
    help: `${forms} (default: HEADGATE_STORE)`,
  },
};

/** The store that was asked for, by option or by HEADGATE_STORE; `undefined` for none. */
export function optionalStoreUrl(values: OptionValues, io: Io): string | undefined {
  return optionalText(values, 'store') ?? (io.environment.HEADGATE_STORE?.trim() || undefined);
}

/** @throws UsageError when no store was named */
export function requiredStoreUrl(values: OptionValues, io: Io): string {
  const url = optionalStoreUrl(values, io);
  if (url === undefined) throw new UsageError(`--store (or HEADGATE_STORE) is needed: ${forms}.`);
  return url;
}

/**
 * Opens the stores behind a URL, loading only what the backend needs. `?schema=…` of a PostgreSQL URL and `?prefix=…`
 * and `?installation=…` of a Redis URL keep several gateways apart on one server.
 *
 * @param migrate Whether the schema may be brought up to date. Backends without a schema have nothing to migrate.
 * @throws UsageError for a URL that names no backend
 */
export async function openStores(url: string, io: Io, migrate = true): Promise<Stores> {
  const [scheme, rest] = split(url);
  switch (scheme) {
    case 'memory':
      return createMemoryStores();
    case 'file':
      return (await import('../stores/file/file-stores.ts')).createFileStores({
        directory: toPath(url, rest, io.cwd),
        validate: (config) => checkStorable(config, builtInProviders),
        onInvalid: (error) => void io.stderr.write(`headgate: ${error.message}\n`),
      });
    case 'sqlite':
      return (await import('../stores/sqlite/sqlite-stores.ts')).createSqliteStores({
        file: rest === ':memory:' ? rest : toPath(url, rest, io.cwd),
        migrate,
      });
    case 'postgres':
    case 'postgresql': {
      const { url: connectionString, ...options } = takeOptions(url, ['schema']);
      const { createPostgresStores } = await import('../stores/postgres/postgres-stores.ts');
      return createPostgresStores({ connectionString, migrate, ...options });
    }
    case 'redis':
    case 'rediss':
      return (await import('../stores/redis/redis-stores.ts')).createRedisStores(
        takeOptions(url, ['prefix', 'installation']),
      );
    default:
      throw new UsageError(`--store is ${forms}, not ${JSON.stringify(describeStore(url))}.`);
  }
}

/**
 * Runs an action on the stores behind a URL, and closes them whatever happens.
 *
 * @param options.makes Whether the action may create a store that does not exist. If not, a mistyped path is an error.
 * @throws CommandError naming the store, for what a store throws
 */
export async function withStores<T>(
  url: string,
  io: Io,
  action: (stores: Stores) => Promise<T>,
  { migrate = true, makes = false }: { readonly migrate?: boolean; readonly makes?: boolean } = {},
): Promise<T> {
  let stores: Stores | undefined;
  try {
    if (!makes) requirePlace(url, io);
    stores = await openStores(url, io, migrate);
    return await action(stores);
  } catch (error) {
    throw toStoreError(error, url);
  } finally {
    // the action is done: a connection that fails to close does not make it fail
    await stores?.close().catch(() => undefined);
  }
}

/** @throws CommandError for a file or directory that is not there */
export function requirePlace(url: string, io: Io): void {
  const [scheme, rest] = split(url);
  if ((scheme !== 'file' && scheme !== 'sqlite') || rest === ':memory:') return;
  const path = toPath(url, rest, io.cwd);
  if (existsSync(path)) return;
  throw new CommandError(`There is no store at ${path}. Mend the path, or make one with headgate migrate.`);
}

/** A store's URL without its password. */
export function describeStore(url: string): string {
  const { before, password, after } = takeApart(url);
  return (password === undefined ? url : `${before}***${after}`).replace(/([?&]password=)[^&#]*/gi, '$1***');
}

/** The password of a URL, encoded or not: everything up to the last @, since a pasted one may contain any character. */
function takeApart(url: string): { before: string; password?: string; after: string } {
  const [, before = '', password, after = ''] =
    /^([a-z][a-z0-9+.-]*:(?:\/\/)?[^:@/?#]*:)(.+)(@.*)$/is.exec(url) ?? [];
  const isPath = /^(file|sqlite|memory):/i.test(url);
  return password === undefined || isPath ? { before: url, after: '' } : { before, password, after };
}

/** The error to show for what a store threw: without its password and without a stack trace. */
export function toStoreError(error: unknown, url: string): unknown {
  if (isKeyError(error) || isConfigChangeError(error) || isSecretError(error)) {
    return new CommandError(error.message, { cause: error });
  }
  const isOurs = error instanceof UsageError || error instanceof CommandError || error instanceof TypeError;
  if (isOurs || !(error instanceof Error)) return error;
  const { password } = takeApart(url);
  let text = error.message;
  if (password !== undefined) {
    for (const form of [password, decode(password)]) text = text.replaceAll(form, '***');
  }
  return new CommandError(`${describeStore(url)}: ${text}`, { cause: error });
}

/** Takes our own parameters out of a URL: several gateways may share one server. */
function takeOptions<N extends string>(
  url: string,
  names: readonly N[],
): { url: string } & { [name in N]?: string } {
  const [address = '', query] = url.split('?', 2);
  const parameters = new URLSearchParams(query);
  const options: Partial<Record<string, string>> = {};
  for (const name of names) {
    const value = parameters.get(name);
    if (value === null) continue;
    options[name] = value;
    parameters.delete(name);
  }
  const rest = Object.keys(options).length === 0 ? query : parameters.toString();
  return { ...options, url: rest ? `${address}?${rest}` : address } as { url: string } & {
    [name in N]?: string;
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function split(url: string): [string, string] {
  const colon = url.indexOf(':');
  return colon < 0 ? ['', url] : [url.slice(0, colon).toLowerCase(), url.slice(colon + 1)];
}

/** `sqlite:data.db`, `sqlite:/var/data.db` and `sqlite:///var/data.db` are paths, as in file URLs. */
function toPath(url: string, rest: string, cwd: string): string {
  if (rest === '') throw new UsageError(`--store ${JSON.stringify(url)} names no path.`);
  return rest.startsWith('///') ? fileURLToPath(`file:${rest}`) : resolve(cwd, rest);
}
