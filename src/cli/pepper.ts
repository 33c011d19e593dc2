import { createPepperRing, type PepperRing } from '../keys/key-hash.ts';
import { createNoPepperRing } from '../keys/no-pepper.ts';
import type { Io } from './io.ts';
import { readPairs } from './pairs.ts';

/**
 * The peppers in the environment: `HEADGATE_PEPPER` (32 bytes or more, base64) under the id `HEADGATE_PEPPER_ID`
 * (default `p1`), and `HEADGATE_OTHER_PEPPERS` (`id=base64,id=base64`), whose keys are accepted too. Without
 * `HEADGATE_PEPPER`, the ring that gateways use by default.
 *
 * @throws TypeError when a pepper is too short or not base64
 */
export function pepperFromEnvironment(environment: NodeJS.ProcessEnv): PepperRing {
  if (!hasPepper(environment)) return createNoPepperRing();
  const id = environment.HEADGATE_PEPPER_ID?.trim() || 'p1';
  const others = environment.HEADGATE_OTHER_PEPPERS?.trim() ?? '';
  try {
    return createPepperRing({
      current: id,
      peppers: {
        ...readPairs('HEADGATE_OTHER_PEPPERS', others),
        [id]: (environment.HEADGATE_PEPPER as string).trim(),
      },
    });
  } catch (cause) {
    throw new TypeError(
      others === ''
        ? 'HEADGATE_PEPPER must be at least 32 bytes as base64. Make one with: openssl rand -base64 32'
        : 'HEADGATE_PEPPER, and each of HEADGATE_OTHER_PEPPERS (id=pepper,id=pepper), must be at least 32 bytes as base64.',
      {
        cause,
      },
    );
  }
}

/** Warns that a key was hashed without a pepper. */
export function warnWithoutPepper(io: Io): void {
  if (hasPepper(io.environment)) return;
  io.stderr.write(
    'headgate: hashed without a pepper. Set HEADGATE_PEPPER here and at the gateway to use one.\n',
  );
}

/** Whether the environment has a pepper. */
export function hasPepper(environment: NodeJS.ProcessEnv): boolean {
  return (environment.HEADGATE_PEPPER ?? '').trim() !== '';
}
