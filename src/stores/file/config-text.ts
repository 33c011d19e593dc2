import { extname } from 'node:path';
import type { ConfigIssue } from '../../config/config-error.ts';
import { ConfigFileError } from '../../config/config-file-error.ts';
import { locatePaths } from '../../config/locate-paths.ts';
import { parseJsonConfig } from '../../config/parse-json-config.ts';
import { parseYamlConfig } from '../../config/parse-yaml-config.ts';
import type { GatewayConfig } from '../../config/schema.ts';

/** Throws when a configuration may not be used; a `ConfigError` says where in it. */
export type ValidateConfig = (config: GatewayConfig) => void | Promise<void>;

/** Whether a file of this name can hold a configuration that is read and written as text. */
export function isConfigFileName(file: string): boolean {
  return ['.json', '.yaml', '.yml'].includes(extname(file));
}

/**
 * The configuration in a text.
 *
 * @throws ConfigFileError with the reason, and line and column where known
 */
export async function readConfigText(
  file: string,
  text: string,
  validate: ValidateConfig | undefined,
): Promise<GatewayConfig> {
  const value = extname(file) === '.json' ? parseJsonConfig(file, text) : await parseYamlConfig(file, text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigFileError(file, 'not a configuration: it must be an object', { place: { line: 1 } });
  }
  // what YAML has and JSON has not (dates, shared parts, …) must not make a version differ from its copy in the history
  const config = JSON.parse(JSON.stringify(value)) as GatewayConfig;
  try {
    await validate?.(config);
  } catch (cause) {
    throw await toConfigFileError(file, text, cause);
  }
  return config;
}

/** The text a configuration is written as. YAML loses the comments in the file. */
export async function printConfig(file: string, config: GatewayConfig): Promise<string> {
  if (extname(file) === '.json') return `${JSON.stringify(config, null, 2)}\n`;
  const { stringify } = await import('yaml');
  return stringify(config, { lineWidth: 0 });
}

async function toConfigFileError(file: string, text: string, cause: unknown): Promise<ConfigFileError> {
  if (cause instanceof ConfigFileError) return cause;
  const { issues, message } = cause as { issues?: readonly ConfigIssue[]; message?: string };
  const issue = issues?.[0];
  if (!issue) return new ConfigFileError(file, message ?? String(cause), { cause });
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  const [place] = await locatePaths(text, [issue.path]);
  return new ConfigFileError(file, `${issue.path}: ${issue.message}${more}`, { place, cause });
}
