import { SecretError } from './secret-error.ts';

/** A parsed sealed text. */
export interface SealedParts {
  /** Id of the key encryption key. */
  readonly keyId: string;
  /** The data key, wrapped. */
  readonly wrapped: Uint8Array;
  /** Initialisation vector, ciphertext and tag. */
  readonly payload: Uint8Array;
}

const prefix = 'hgs1';
const maxSealedLength = 131_072;

/** A valid id of a key encryption key. */
export const keyIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** `hgs1.<key id>.<wrapped data key>.<payload>`, the last two as base64url. */
export function formatSealed({ keyId, wrapped, payload }: SealedParts): string {
  return `${prefix}.${keyId}.${toBase64url(wrapped)}.${toBase64url(payload)}`;
}

/**
 * Parses a sealed text.
 *
 * @throws SecretError `secret_malformed`, `secret_version_unknown`
 */
export function parseSealed(sealed: string, secret: string): SealedParts {
  // a record comes from a database, which may hold any type here
  if (typeof sealed !== 'string' || sealed.length > maxSealedLength) throw malformed(secret);
  const [version, keyId, wrapped, payload, ...rest] = sealed.split('.', 6);
  if (version !== prefix) {
    if (version === undefined || !/^hgs\d{1,9}$/.test(version)) throw malformed(secret);
    throw new SecretError(
      'secret_version_unknown',
      `The secret "${secret}" is sealed in a form (${version}) that this release does not know.`,
      { secret },
    );
  }
  if (keyId === undefined || !keyIdPattern.test(keyId) || rest.length > 0) throw malformed(secret);
  return { keyId, wrapped: fromBase64url(wrapped, secret), payload: fromBase64url(payload, secret) };
}

function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

function fromBase64url(text: string | undefined, secret: string): Uint8Array {
  const bytes = Buffer.from(text ?? '', 'base64url');
  // the decoder skips unknown characters; only one spelling of the bytes is accepted
  if (bytes.length === 0 || bytes.toString('base64url') !== text) throw malformed(secret);
  return bytes;
}

function malformed(secret: string): SecretError {
  return new SecretError(
    'secret_malformed',
    `The secret "${secret}" as it is stored is not a sealed secret, or is damaged.`,
    { secret },
  );
}
