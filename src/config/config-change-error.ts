/** Why a stored configuration could not be changed; stable, new ones may be added. */
export type ConfigChangeErrorCode =
  /** Another version came first; look at it and try again. */
  | 'config_conflict'
  /** There is no such version, or none any more. */
  | 'config_not_found'
  /** Live keys depend on what would be taken away. */
  | 'config_in_use';

const mark = Symbol.for('headgate.ConfigChangeError');

/** A stored configuration that could not be changed. The message is written for whoever asked. */
export class ConfigChangeError extends Error {
  override readonly name = 'ConfigChangeError';
  readonly code: ConfigChangeErrorCode;
  readonly [mark] = true;

  constructor(code: ConfigChangeErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Tells a `ConfigChangeError` from anything else, also one made by another copy of this package. */
export function isConfigChangeError(value: unknown): value is ConfigChangeError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[mark] === true;
}
