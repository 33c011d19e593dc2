/** Why a key could not be made or changed. Stable; new ones may be added. */
export type KeyErrorCode =
  /** There is no key with this kid. */
  | 'key_not_found'
  /** The key is revoked, which is final. */
  | 'key_revoked'
  /** The key has expired, so a new secret would be of no use. */
  | 'key_expired'
  /** Others kept changing the key at the same time; nothing was changed. */
  | 'key_conflict'
  /** It would permit more than its maker holds, or than it permitted before. */
  | 'key_too_wide'
  /** The policy of this service does not allow it: lifetime or grace. */
  | 'key_policy';

const mark = Symbol.for('headgate.KeyError');

/** A key that could not be made or changed. The message is written for whoever asked and holds no secret. */
export class KeyError extends Error {
  override readonly name = 'KeyError';
  readonly code: KeyErrorCode;
  /** Public id of the key, where there is one. */
  readonly kid: string | undefined;
  readonly [mark] = true;

  constructor(code: KeyErrorCode, message: string, options: { readonly kid?: string } = {}) {
    super(message);
    this.code = code;
    this.kid = options.kid;
  }
}

/** Whether this is a `KeyError`, including one made by another copy of this package. */
export function isKeyError(value: unknown): value is KeyError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[mark] === true;
}
