/** Why a stored configuration could not be changed; stable, codes may be added. */
export type ConfigChangeErrorCode =
  /** Another version was stored first; look at it and try again. */
  | 'config_conflict'
  /** There is no such version, or no longer. */
  | 'config_not_found'
  /** Live keys depend on what would be removed. */
  | 'config_in_use';

const mark = Symbol.for('headgate.ConfigChangeError');

/** A stored configuration could not be changed. The message is for whoever asked. */
export class ConfigChangeError extends Error {
  override readonly name = 'ConfigChangeError';
  readonly code: ConfigChangeErrorCode;
  readonly [mark] = true;

  constructor(code: ConfigChangeErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Whether a value is a `ConfigChangeError`, including from another copy of this package. */
export function isConfigChangeError(value: unknown): value is ConfigChangeError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[mark] === true;
}
