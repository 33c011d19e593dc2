import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { createRuntime, type Runtime } from '../runtime.ts';
import type { ConfigVersionInfo } from '../stores/config-store.ts';
import { ConfigFileError, type SourcePlace } from './config-file-error.ts';
import { configFromEnvironment, environmentHint } from './environment-config.ts';
import { importConfig } from './import-config.ts';
import { locatePaths } from './locate-paths.ts';
import { parseJsonConfig } from './parse-json-config.ts';
import { parseYamlConfig } from './parse-yaml-config.ts';
import type { GatewayConfig } from './schema.ts';

/** File names to look for; the first that exists is used. */
export const configFileNames = ['ts', 'mts', 'js', 'mjs', 'cjs', 'json', 'yaml', 'yml'].map(
  (extension) => `headgate.config.${extension}`,
);

/** A configuration as found; not checked yet. */
export interface LoadedConfig {
  readonly config: GatewayConfig;
  /** Absolute path of the file, or `environment (OPENAI_API_KEY, …)`. */
  readonly source: string;
  /** The file, if there is one: what to watch for changes. */
  readonly file?: string;
  /** The stored version, if it comes from a store. */
  readonly version?: ConfigVersionInfo;
  /** Where the paths of issues point in the file; undefined if the format does not tell (JavaScript, TypeScript). */
  locate(paths: readonly string[]): Promise<readonly (SourcePlace | undefined)[]>;
}

/** Where to look. */
export interface LoadConfigOptions {
  /** Directory to look in, and to resolve a relative `path` against. @default process.cwd() */
  readonly cwd?: string;
  /** @default process.env */
  readonly environment?: NodeJS.ProcessEnv;
  /** @default createRuntime() */
  readonly runtime?: Runtime;
}

/**
 * Finds and reads the configuration: the file given, else `headgate.config.{ts,mts,js,mjs,cjs,json,yaml,yml}` in the
 * directory, else what the environment says (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, …; see `configFromEnvironment`).
 * A file is reread at each call. `createGateway` checks whether the configuration makes sense.
 *
 * @throws ConfigFileError naming file, line and column if the file is missing or cannot be read
 * @throws TypeError if there is no file and the environment names no provider
 */
export async function loadConfig(path?: string, options: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const { cwd = process.cwd(), environment = process.env, runtime = createRuntime() } = options;
  const file = path === undefined ? findFile(cwd) : resolve(cwd, path);
  if (file !== undefined) return await readConfig(file, runtime);
  const found = configFromEnvironment(environment);
  if (!found) {
    throw new TypeError(
      `No configuration: there is no headgate.config.{ts,js,json,yaml} in ${cwd}, and ${environmentHint}`,
    );
  }
  return {
    config: found.config,
    source: `environment (${found.variables.join(', ')})`,
    locate: () => Promise.resolve([]),
  };
}

function findFile(cwd: string): string | undefined {
  return configFileNames.map((name) => resolve(cwd, name)).find((file) => existsSync(file));
}

async function readConfig(file: string, runtime: Runtime): Promise<LoadedConfig> {
  const extension = extname(file);
  if (/^\.[cm]?[jt]s$/.test(extension)) {
    if (!existsSync(file)) throw new ConfigFileError(file, 'there is no such file');
    const config = (await importConfig(file, runtime)) as GatewayConfig;
    return { config, source: file, file, locate: () => Promise.resolve([]) };
  }
  if (extension !== '.json' && extension !== '.yaml' && extension !== '.yml') {
    throw new ConfigFileError(file, 'not a configuration: its name must end in .ts, .js, .json or .yaml');
  }
  const text = await readText(file);
  const value = extension === '.json' ? parseJsonConfig(file, text) : await parseYamlConfig(file, text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigFileError(file, 'not a configuration: it must be an object', { place: { line: 1 } });
  }
  return { config: value as GatewayConfig, source: file, file, locate: (paths) => locatePaths(text, paths) };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ConfigFileError(
      file,
      isMissing ? 'there is no such file' : `cannot be read: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}
