import { quietly } from '../quietly.ts';
import { describeUnusable, Secret } from './secret.ts';
import { isSecretError, SecretError } from './secret-error.ts';

/** A source's last value. */
export interface CurrentSecret {
  /** The last usable value. @throws SecretError why there is none */
  read(): Secret;
  /** Takes a text as it came: surrounding white space is dropped; the same text keeps the same object. @throws SecretError `secret_invalid` */
  take(text: string): void;
  /** Takes a secret as it came. */
  takeSecret(secret: Secret): void;
  /** Notes a failure, and reports it once for each reason until a value is taken. The last usable value stays. */
  fail(error: unknown): SecretError;
}

/** Keeps the last usable value of a source. */
export function createCurrentSecret(
  label: string,
  onError: ((error: SecretError) => void) | undefined,
): CurrentSecret {
  let secret: Secret | undefined;
  let failure: SecretError | undefined;

  const takeSecret = (next: Secret): void => {
    failure = undefined;
    if (secret === undefined || !secret.holds(next.reveal())) secret = next;
  };
  return {
    read() {
      if (secret !== undefined) return secret;
      throw (
        failure ??
        new SecretError('secret_unavailable', `${label}: there is no value yet.`, { secret: label })
      );
    },
    take(text) {
      const trimmed = text.trim();
      if (secret?.holds(trimmed)) {
        failure = undefined;
        return;
      }
      const problem = describeUnusable(trimmed);
      if (problem !== undefined) {
        throw new SecretError('secret_invalid', `${label}: ${problem}`, { secret: label });
      }
      takeSecret(new Secret(label, trimmed));
    },
    takeSecret,
    fail(error) {
      const before = failure;
      failure = isSecretError(error)
        ? error
        : new SecretError('secret_unavailable', `${label}: it could not be fetched.`, {
            secret: label,
            cause: error,
          });
      if (before?.message !== failure.message) quietly(onError)(failure);
      return failure;
    },
  };
}
