import { readFileSync } from 'node:fs';
import type { SecretConfig } from './schema.ts';

const inspect = Symbol.for('nodejs.util.inspect.custom');

/**
 * A secret that does not show itself: printing, inspecting and serialising it give its label.
 * `reveal()` is called in one place, where a credential is put into a request.
 */
export class Secret {
  readonly label: string;
  readonly #text: string;

  constructor(label: string, text: string) {
    this.label = label;
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return `[secret:${this.label}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect](): string {
    return this.toString();
  }
}

/**
 * Fetches a secret from where the configuration says it is.
 *
 * @throws TypeError naming the option when the environment variable or file is missing, empty, or could not be a header value.
 */
export function resolveSecret(label: string, source: SecretConfig, environment: NodeJS.ProcessEnv): Secret {
  const text = read(label, source, environment).trim();
  if (text === '') throw new TypeError(`${label}: the secret is empty.`);
  if (!/^[\x21-\x7e]+$/.test(text))
    throw new TypeError(`${label}: the secret has characters that no header can carry.`);
  return new Secret(label, text);
}

function read(label: string, source: SecretConfig, environment: NodeJS.ProcessEnv): string {
  if (typeof source === 'string') return source;
  if (typeof source === 'function') return source();
  if ('env' in source) {
    const text = environment[source.env];
    if (text === undefined)
      throw new TypeError(`${label}: the environment variable ${source.env} is not set.`);
    return text;
  }
  try {
    return readFileSync(source.file, 'utf8');
  } catch (cause) {
    throw new TypeError(`${label}: the file ${source.file} cannot be read.`, { cause });
  }
}
