import type { ConfigIssue } from '../../config/config-error.ts';
import type { LoadedConfig } from '../../config/load-config.ts';
import { formatIssue, locateIssues } from '../check-config.ts';
import type { Io } from '../io.ts';

/** The warnings about the configuration in force, one line each, with its place if known. */
export async function describeWarnings(
  warnings: readonly ConfigIssue[],
  loaded: LoadedConfig,
  io: Io,
): Promise<string[]> {
  const located = await locateIssues(warnings, loaded);
  return located.map((warning) => `warning: ${formatIssue(warning, io.cwd)}`);
}
