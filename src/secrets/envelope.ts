import { createHash, randomBytes } from 'node:crypto';
import type { SecretRecord } from '../stores/secret-store.ts';
import { decrypt, encrypt } from './aes-gcm.ts';
import type { KeyEncryptionRing } from './key-encryption-ring.ts';
import { formatSealed, parseSealed } from './sealed-text.ts';
import { notAuthentic } from './secret-error.ts';

/**
 * The record that a sealed secret belongs to. All of it is authenticated with the secret: in any other record, and in
 * any other version of the same one, the seal does not open.
 */
export type SecretBinding = Pick<
  SecretRecord,
  'id' | 'provider' | 'scope' | 'subject' | 'createdAtMs' | 'version'
>;

const dataKeyBytes = 32;
const maxTextBytes = 65_536;

/**
 * Seals a secret: AES-256-GCM under a data key made for this one seal and wrapped by the ring's current key. The result
 * is text, `hgs1.<key id>.<wrapped data key>.<vector, ciphertext and tag>`, a bit over a third longer than the secret
 * plus 170 characters. It reveals the length of the secret.
 *
 * @throws TypeError when the text is not well-formed Unicode or is longer than 64 KiB
 * @throws SecretError `key_encryption_key_unavailable`
 */
export async function sealSecret(
  ring: KeyEncryptionRing,
  text: string,
  binding: SecretBinding,
): Promise<string> {
  if (!text.isWellFormed()) throw new TypeError('sealSecret: "text" holds half of a surrogate pair.');
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > maxTextBytes) throw new TypeError(`sealSecret: "text" is over ${maxTextBytes} bytes.`);
  const bound = toBound(binding);
  const dataKey = randomBytes(dataKeyBytes);
  try {
    const payload = encrypt(dataKey, bytes, bound);
    const keyId = ring.current;
    const wrapped = await ring.wrap(dataKey, toContext(bound));
    return formatSealed({ keyId, wrapped, payload });
  } finally {
    dataKey.fill(0);
    bytes.fill(0);
  }
}

/**
 * Opens a sealed secret.
 *
 * @throws SecretError `secret_malformed`, `secret_version_unknown`, `secret_not_authentic`,
 *   `key_encryption_key_unknown`, `key_encryption_key_unavailable`
 */
export async function openSecret(
  ring: KeyEncryptionRing,
  sealed: string,
  binding: SecretBinding,
): Promise<string> {
  return openSealed(ring, sealed, binding);
}

/** As `openSecret`, but synchronous when no key service is needed. */
export function openSealed(
  ring: KeyEncryptionRing,
  sealed: string,
  binding: SecretBinding,
): string | Promise<string> {
  const { keyId, wrapped, payload } = parseSealed(sealed, binding.id);
  const bound = toBound(binding);
  const open = (dataKey: Uint8Array): string => {
    const text = dataKey.length === dataKeyBytes ? decrypt(dataKey, payload, bound) : undefined;
    dataKey.fill(0);
    if (text === undefined) throw notAuthentic(binding.id);
    const secret = text.toString('utf8');
    text.fill(0);
    return secret;
  };
  const dataKey = ring.unwrap(keyId, wrapped, toContext(bound), binding.id);
  return dataKey instanceof Promise ? dataKey.then(open) : open(dataKey);
}

/**
 * Seals a secret again, under the ring's current key and for the next version of its record. The version is part of
 * the seal, so the secret gets a new data key as well.
 *
 * @param binding the record as it is stored; `next` is the one to store, by default the same with a version one higher
 * @throws SecretError as `openSecret` and `sealSecret` do
 */
export async function rewrapSecret(
  ring: KeyEncryptionRing,
  sealed: string,
  binding: SecretBinding,
  next: SecretBinding = { ...binding, version: binding.version + 1 },
): Promise<string> {
  return sealSecret(ring, await openSecret(ring, sealed, binding), next);
}

/** Id of the key that a sealed secret was sealed under. @throws SecretError as `openSecret` does for the form */
export function sealedUnder(sealed: string, secret: string): string {
  return parseSealed(sealed, secret).keyId;
}

/** What the seal is bound to. As JSON, so that no two records give the same. */
function toBound({ id, provider, scope, subject, createdAtMs, version }: SecretBinding): Uint8Array {
  const parts = ['hgs1', 'A256GCM', provider, scope, subject ?? null, id, createdAtMs, version];
  return Buffer.from(JSON.stringify(parts), 'utf8');
}

/** The same for the wrap, as a digest: key services write it to their logs, where a subject does not belong. */
function toContext(bound: Uint8Array): string {
  return createHash('sha256').update(bound).digest('base64url');
}
