import { GatewayError } from '../errors.ts';

/**
 * Why a secret cannot be used. A stable union; new codes may be added.
 *
 * - `secret_malformed`: it is not a sealed text, or its form is damaged
 * - `secret_version_unknown`: it was sealed by a later release
 * - `secret_not_authentic`: it was changed, belongs to another record or an older version, or its key is another one
 * - `key_encryption_key_unknown`: the ring does not hold the key that it was sealed under
 * - `key_encryption_key_unavailable`: the key service failed or did not answer
 * - `secret_rolled_back`: the store shows an older version than it did before
 * - `secret_missing`: there is no such secret
 * - `secret_mismatch`: the secret is for another provider or scope
 * - `secret_invalid`: the text cannot be used, or the request to store it is not valid
 * - `secret_unavailable`: there is no value yet, or none that is recent enough
 * - `secret_conflict`: others kept changing the record
 * - `secret_store_unavailable`: the store failed or did not answer
 */
export type SecretErrorCode =
  | 'secret_malformed'
  | 'secret_version_unknown'
  | 'secret_not_authentic'
  | 'key_encryption_key_unknown'
  | 'key_encryption_key_unavailable'
  | 'secret_rolled_back'
  | 'secret_missing'
  | 'secret_mismatch'
  | 'secret_invalid'
  | 'secret_unavailable'
  | 'secret_conflict'
  | 'secret_store_unavailable';

/** What may be said about an error besides its code and message. */
export interface SecretErrorOptions {
  /** Id or label of the secret. */
  readonly secret?: string;
  readonly cause?: unknown;
}

const mark = Symbol.for('headgate.SecretError');

/**
 * A secret that cannot be used or stored. The message is for the operator and holds nothing of any secret. The cause,
 * if there is one, is what a store, a file system, a key service or a function of the host threw.
 */
export class SecretError extends Error {
  override readonly name = 'SecretError';
  readonly code: SecretErrorCode;
  /** Id or label of the secret, when it is about one. */
  readonly secret: string | undefined;
  readonly [mark] = true;

  constructor(code: SecretErrorCode, message: string, options: SecretErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.secret = options.secret;
  }
}

/** Whether this is a `SecretError`, including one made by another copy of this package. */
export function isSecretError(value: unknown): value is SecretError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[mark] === true;
}

/**
 * The caller's error when `error` left no credential to try. Another credential or target may serve the same request;
 * the one that `error` is about will not until an operator or time has fixed it.
 */
export function toCredentialUnavailable(error: SecretError): GatewayError {
  return new GatewayError(
    'no_target_available',
    'The credential for this provider cannot be used at present. Tell the operator of this gateway.',
    { cause: error, retryable: false },
  );
}

/** The seal does not open. The reasons cannot be told apart. */
export function notAuthentic(secret: string): SecretError {
  return new SecretError(
    'secret_not_authentic',
    `The secret "${secret}" does not open: it was changed, belongs to another record or version, or its key is another one.`,
    { secret },
  );
}
