import { createKeyEncryptionRing, type KeyEncryptionRing } from '../../../src/secrets/key-encryption-ring.ts';

/** The ring that every process of this verification has. */
export function toRing(secretKey: string): KeyEncryptionRing {
  return createKeyEncryptionRing({ current: 'only', keys: { only: secretKey } });
}
