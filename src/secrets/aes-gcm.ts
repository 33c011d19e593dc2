import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';

const algorithm = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

/** AES-256-GCM (NIST SP 800-38D) under a fresh random 96-bit vector: vector, ciphertext, 128-bit tag. */
export function encrypt(key: KeyObject | Uint8Array, text: Uint8Array, bound: Uint8Array): Uint8Array {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagBytes });
  cipher.setAAD(bound);
  return Buffer.concat([iv, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

/** The text, or `undefined` when the key, the text or what it is bound to has changed. */
export function decrypt(
  key: KeyObject | Uint8Array,
  sealed: Uint8Array,
  bound: Uint8Array,
): Buffer | undefined {
  if (sealed.length < ivBytes + tagBytes) return undefined;
  const tagAt = sealed.length - tagBytes;
  // without this length Node has accepted four-byte tags, which can be guessed
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, ivBytes), { authTagLength: tagBytes });
  decipher.setAAD(bound);
  decipher.setAuthTag(sealed.subarray(tagAt));
  const text = decipher.update(sealed.subarray(ivBytes, tagAt));
  try {
    return Buffer.concat([text, decipher.final()]);
  } catch {
    text.fill(0);
    return undefined;
  }
}
