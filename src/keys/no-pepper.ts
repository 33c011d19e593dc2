import { createHash } from 'node:crypto';
import { createPepperRing, type PepperRing } from './key-hash.ts';

/**
 * The ring used when no pepper is configured. Its one pepper is public, so hashes made with it are only as strong as the
 * keys are: 256 random bits, which nobody guesses.
 */
export function createNoPepperRing(): PepperRing {
  return createPepperRing({
    current: 'none',
    peppers: { none: createHash('sha256').update('headgate without a pepper').digest() },
  });
}
