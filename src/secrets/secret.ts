import { createHmac, randomBytes } from 'node:crypto';

const inspect = Symbol.for('nodejs.util.inspect.custom');

// Made at first use: some platforms have no randomness while modules load. It holds nothing of any gateway.
let fingerprintKey: Uint8Array | undefined;

/**
 * A secret that does not reveal itself: printing, inspecting, serialising, spreading and cloning it give at most its
 * label. It never changes; a rotated secret is another object.
 */
export class Secret {
  /** Names the secret to people. Not secret. */
  readonly label: string;
  readonly #text: string;
  #fingerprint: string | undefined;

  constructor(label: string, text: string) {
    this.label = label;
    this.#text = text;
    Object.freeze(this);
  }

  /** The text itself. Call it where a credential is put into a request, and nowhere that prints. */
  reveal(): string {
    return this.#text;
  }

  /** Whether this is the text. */
  holds(text: string): boolean {
    return this.#text === text;
  }

  /**
   * 32 hex digits that are the same for the same text and reveal nothing about it: an HMAC under this process's own
   * random key. For connection pools and counters of this process; another process has other fingerprints.
   */
  get fingerprint(): string {
    if (this.#fingerprint === undefined) {
      fingerprintKey ??= randomBytes(32);
      this.#fingerprint = createHmac('sha256', fingerprintKey).update(this.#text).digest('hex').slice(0, 32);
    }
    return this.#fingerprint;
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

/** Longest secret, in characters. What providers issue is far shorter; service account files are a few thousand. */
export const maxSecretLength = 16_384;

/** Why a text cannot be sent as a header value; `undefined` when it can. Never holds the text. */
export function describeUnusable(text: string): string | undefined {
  if (text === '') return 'the secret is empty.';
  if (text.length > maxSecretLength) return `the secret is longer than ${maxSecretLength} characters.`;
  if (!/^[\x21-\x7e]+$/.test(text)) return 'the secret has characters that no header can carry.';
  return undefined;
}
