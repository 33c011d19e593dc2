import { createKeyEncryptionRing, type KeyEncryptionRing } from '../secrets/key-encryption-ring.ts';
import { CommandError } from './command.ts';
import { readPairs } from './pairs.ts';

/**
 * The keys of stored secrets. `HEADGATE_KEK` (32 bytes, base64), with the id `HEADGATE_KEK_ID` (default `k1`), seals
 * and opens them; those in `HEADGATE_OTHER_KEKS` (`id=base64,id=base64`) only open.
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
  const others = Object.entries(readPairs('HEADGATE_OTHER_KEKS', environment.HEADGATE_OTHER_KEKS));
  const named = others.map(([other, key]) => [other, `HEADGATE_OTHER_KEKS (${other})`, key] as const);
  return createKeyEncryptionRing({
    current: id,
    keys: {
      ...Object.fromEntries(named.map(([other, name]) => [other, { env: name }])),
      [id]: { env: 'HEADGATE_KEK' },
    },
    environment: { ...environment, ...Object.fromEntries(named.map(([, name, key]) => [name, key])) },
  });
}
