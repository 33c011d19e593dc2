import { createPepperRing, type PepperRing } from '../keys/key-hash.ts';
import { createNoPepperRing } from '../keys/no-pepper.ts';
import type { Io } from './io.ts';

/**
 * The pepper that the environment gives: `HEADGATE_PEPPER` (32 bytes or more, base64) under the id
 * `HEADGATE_PEPPER_ID` (default `p1`); without it the ring that gateways use by default.
 *
 * @throws TypeError when the pepper is too short or not base64
 */
export function pepperFromEnvironment(environment: NodeJS.ProcessEnv): PepperRing {
  if (!hasPepper(environment)) return createNoPepperRing();
  const id = environment.HEADGATE_PEPPER_ID?.trim() || 'p1';
  try {
    return createPepperRing({
      current: id,
      peppers: { [id]: (environment.HEADGATE_PEPPER as string).trim() },
    });
  } catch (cause) {
    throw new TypeError(
      'HEADGATE_PEPPER must be at least 32 bytes as base64. Make one with: openssl rand -base64 32',
      {
        cause,
      },
    );
  }
}

/** Tells that a key was hashed without a pepper. */
export function warnWithoutPepper(io: Io): void {
  if (hasPepper(io.environment)) return;
  io.stderr.write(
    'headgate: hashed without a pepper. Set HEADGATE_PEPPER here and at the gateway to use one.\n',
  );
}

/** Whether the environment gives a pepper. */
export function hasPepper(environment: NodeJS.ProcessEnv): boolean {
  return (environment.HEADGATE_PEPPER ?? '').trim() !== '';
}
