import type { SecretRecord } from '../stores/secret-store.ts';
import { describeUnusable } from './secret.ts';
import { SecretError } from './secret-error.ts';

/** A secret to store. */
export interface NewSecret {
  /** 1 to 128 of `A-Z a-z 0-9 . _ - : /`. */
  readonly id: string;
  /** The provider entry that it is for. */
  readonly provider: string;
  /** @default 'gateway' */
  readonly scope?: SecretRecord['scope'];
  /** The project or user that it belongs to; set exactly when `scope` is one of these. */
  readonly subject?: string;
  /** The secret itself; white space around it is dropped. */
  readonly text: string;
  /** A name for people, at most 200 characters. */
  readonly label?: string;
  /** Who stores it. */
  readonly author?: string;
}

type Checked = Pick<SecretRecord, 'id' | 'provider' | 'scope' | 'subject' | 'label'> & {
  readonly text: string;
  readonly author?: string;
};

const line = /^[^\p{Cc}\p{Cs}]+$/u;

/** @throws SecretError `secret_invalid` naming the field; never with anything of the text */
export function checkNewSecret(secret: NewSecret): Checked {
  const { id, provider, scope = 'gateway', subject, label, author } = secret;
  if (typeof id !== 'string' || !/^[A-Za-z0-9._:/-]{1,128}$/.test(id)) {
    throw invalid('unnamed', '"id" must be 1 to 128 of A-Z a-z 0-9 . _ - : /');
  }
  if (typeof provider !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(provider)) {
    throw invalid(id, '"provider" must be the name of a provider entry');
  }
  if (scope !== 'gateway' && scope !== 'project' && scope !== 'user') {
    throw invalid(id, '"scope" must be gateway, project or user');
  }
  if (scope === 'gateway' ? subject !== undefined : !isLine(subject, 256)) {
    const needed = scope === 'gateway' ? 'must be left out' : `must be the ${scope}, 1 to 256 characters`;
    throw invalid(id, `"subject" ${needed} when the scope is ${scope}`);
  }
  if (label !== undefined && !isLine(label, 200)) throw invalid(id, '"label" must be 1 to 200 characters');
  if (author !== undefined && !isLine(author, 200)) throw invalid(id, '"author" must be 1 to 200 characters');
  if (typeof secret.text !== 'string') throw invalid(id, '"text" must be the secret');
  const text = secret.text.trim();
  const problem = describeUnusable(text);
  if (problem !== undefined) throw invalid(id, problem);
  return {
    id,
    provider,
    scope,
    text,
    ...(subject !== undefined && { subject }),
    ...(label !== undefined && { label }),
    ...(author !== undefined && { author }),
  };
}

function isLine(value: unknown, maxLength: number): boolean {
  return typeof value === 'string' && value.length <= maxLength && line.test(value);
}

function invalid(secret: string, problem: string): SecretError {
  return new SecretError('secret_invalid', `The secret "${secret}" was not stored: ${problem}`, { secret });
}
