import { sha256, toCanonicalJson } from '../stores/canonical-json.ts';
import { ConfigError, type ConfigIssue, toPath } from './config-error.ts';
import type { GatewayConfig } from './schema.ts';

/** A configuration in storable form. */
export interface PlainConfig {
  /** Plain JSON: without what was `undefined`. */
  readonly config: GatewayConfig;
  /** SHA-256 of its canonical JSON, lower-case hex: the same for the same configuration, however it was written. */
  readonly digest: string;
}

const maxDepth = 64;
const maxIssues = 100;
const places =
  '{ "env": "NAME" }, { "file": "path" } or { "store": "id" } (see headgate providers set-secret)';
const credentialHeaders = new Set([
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'cookie',
]);

/** Shown instead of a secret. A printed configuration must not be stored with it. */
export const hiddenSecret = '[secret]';

/**
 * Brings a configuration into storable form, and refuses what cannot be stored: functions, anything that JSON cannot
 * express, and literal secrets.
 *
 * @throws ConfigError with the path of each, and what to write instead
 */
export function toPlainConfig(config: GatewayConfig): PlainConfig {
  const issues: ConfigIssue[] = [];
  inspect(config, [], issues);
  if (issues.length > 0) throw new ConfigError(issues);
  // keeps the order of names: a dialect's first provider serves calls that name no model
  const plain = JSON.parse(JSON.stringify(config)) as GatewayConfig;
  return { config: plain, digest: sha256(toCanonicalJson(plain)) };
}

function inspect(value: unknown, path: readonly PropertyKey[], issues: ConfigIssue[]): void {
  if (issues.length >= maxIssues) return;
  const problem = describe(value, path);
  if (problem !== undefined) {
    issues.push({ path: toPath(path), message: problem });
  } else if (Array.isArray(value)) {
    for (const [index, part] of value.entries()) inspect(part, [...path, index], issues);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, part] of Object.entries(value)) inspect(part, [...path, key], issues);
  }
}

/** Why a value cannot be stored, apart from what it contains. */
function describe(value: unknown, path: readonly PropertyKey[]): string | undefined {
  if (path.length > maxDepth) return `nested deeper than ${maxDepth}, or part of itself`;
  if (value === hiddenSecret) return `${hiddenSecret} stands for what is not shown; write the value itself`;
  if (isLiteralSecret(value, path)) return `a secret cannot be stored as it is; use ${places}`;
  if (typeof value === 'function') {
    const instead =
      path[0] === 'routes' ? 'match by other fields, or keep the configuration in code' : `use ${places}`;
    return `a function cannot be stored; ${instead}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return `${value} cannot be stored`;
  if (typeof value === 'bigint' || typeof value === 'symbol') return `a ${typeof value} cannot be stored`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return undefined;
  return `only plain JSON can be stored, not a ${prototype.constructor?.name ?? 'class instance'}`;
}

/** Whether a text is where a secret belongs: a provider's key, one of its credentials, a header that carries one. */
export function isLiteralSecret(value: unknown, path: readonly PropertyKey[]): boolean {
  if (typeof value !== 'string' || path[0] !== 'providers') return false;
  const [, , field, index, last] = path;
  if (field === 'apiKey') return path.length === 3;
  if (field === 'credentials') return typeof index === 'number' && last === 'apiKey' && path.length === 5;
  return field === 'headers' && path.length === 4 && credentialHeaders.has(String(index).toLowerCase());
}
