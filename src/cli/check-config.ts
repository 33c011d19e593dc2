import { relative } from 'node:path';
import { ConfigError, type ConfigIssue } from '../config/config-error.ts';
import { ConfigFileError, formatPlace } from '../config/config-file-error.ts';
import { type LoadedConfig, loadConfig } from '../config/load-config.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { compileConfig, type Snapshot } from '../config/snapshot.ts';
import { builtInProviders } from '../providers/index.ts';

/** One problem, with its place in the file if the format gives it. */
export interface LocatedIssue extends ConfigIssue {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

/** The result of checking a configuration. */
export type CheckResult =
  | { readonly ok: true; readonly loaded: LoadedConfig; readonly snapshot: Snapshot }
  | { readonly ok: false; readonly source: string | undefined; readonly issues: readonly LocatedIssue[] };

/** Where the configuration and its secrets are. */
export interface CheckOptions {
  readonly path: string | undefined;
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Replaces the configuration before it is compiled, for secrets that are not here. @default as it is */
  readonly prepare?: (config: GatewayConfig) => GatewayConfig;
  /** Loads the configuration. @default loadConfig with `path` */
  readonly load?: () => Promise<LoadedConfig>;
}

/** Loads and compiles a configuration; finds every problem, not only the first. */
export async function checkConfig(options: CheckOptions): Promise<CheckResult> {
  const { path, cwd, environment, prepare = (config) => config } = options;
  const load = options.load ?? (() => loadConfig(path, { cwd, environment }));
  let loaded: LoadedConfig;
  try {
    loaded = await load();
  } catch (error) {
    if (error instanceof ConfigFileError)
      return { ok: false, source: error.file, issues: [toFileIssue(error)] };
    if (error instanceof TypeError)
      return { ok: false, source: undefined, issues: [{ path: '(root)', message: error.message }] };
    throw error;
  }
  try {
    const compiled = compileConfig(prepare(loaded.config), {
      id: 'check',
      providers: builtInProviders,
      environment,
    });
    // nothing is served with it, so its secrets are not followed
    compiled.close();
    return { ok: true, loaded, snapshot: compiled };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { ok: false, source: loaded.source, issues: await locateIssues(error.issues, loaded) };
  }
}

/** Adds to each issue its place in the file. */
export async function locateIssues(
  issues: readonly ConfigIssue[],
  loaded: LoadedConfig,
): Promise<LocatedIssue[]> {
  const { file } = loaded;
  const places = issues.length === 0 ? [] : await loaded.locate(issues.map(({ path }) => path));
  return issues.map((issue, index) => {
    const place = places[index];
    return {
      ...issue,
      ...(file !== undefined && { file }),
      ...(place && { line: place.line, ...(place.column !== undefined && { column: place.column }) }),
    };
  });
}

/** One line for people: `file:line:column: path: message`. */
export function formatIssue(issue: LocatedIssue, cwd: string): string {
  const text = issue.path === '(root)' ? issue.message : `${issue.path}: ${issue.message}`;
  if (issue.file === undefined) return text;
  const inside = relative(cwd, issue.file);
  const file = inside.startsWith('..') ? issue.file : inside;
  const place = issue.line === undefined ? undefined : { line: issue.line, column: issue.column };
  return `${formatPlace(file, place)}: ${text}`;
}

function toFileIssue({ file, line, column, reason }: ConfigFileError): LocatedIssue {
  return {
    path: '(root)',
    message: reason,
    file,
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
  };
}
