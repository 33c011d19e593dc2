import { createKeyEncryptionRing, type KeyEncryptionRing } from '../secrets/key-encryption-ring.ts';
import { CommandError } from './command.ts';

/**
 * The key that stored secrets are sealed under: `HEADGATE_KEK` (32 bytes, base64) under the id `HEADGATE_KEK_ID`
 * (default `k1`).
 *
 * @throws CommandError when it is not set
 * @throws TypeError when it is not 32 bytes as base64
 */
export function requireKeyEncryptionRing(environment: NodeJS.ProcessEnv): KeyEncryptionRing {
  const ring = optionalKeyEncryptionRing(environment);
  if (ring) return ring;
  throw new CommandError(
    'HEADGATE_KEK is not set: stored secrets are sealed under it. Make one with: openssl rand -base64 32',
  );
}

/** The same, or `undefined` when it is not set. */
export function optionalKeyEncryptionRing(environment: NodeJS.ProcessEnv): KeyEncryptionRing | undefined {
  const text = environment.HEADGATE_KEK?.trim();
  if (text === undefined || text === '') return undefined;
  const id = environment.HEADGATE_KEK_ID?.trim() || 'k1';
  return createKeyEncryptionRing({ current: id, keys: { [id]: { env: 'HEADGATE_KEK' } }, environment });
}
