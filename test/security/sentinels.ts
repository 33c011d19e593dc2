import { randomBytes } from 'node:crypto';

/** A secret that exists nowhere else, planted to see where it turns up. */
export interface Sentinel {
  /** What it is, as findings and the allow-list name it: `provider: openai from the vault`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** All that was planted. */
export interface Sentinels {
  readonly all: readonly Sentinel[];
  /** Adds a value that was made elsewhere; returns it. */
  plant(name: string, value: string): string;
  /** Adds bytes that are used as they are. */
  plantBytes(name: string, value: Uint8Array): Uint8Array;
  /** Makes a value of letters and digits, behind a prefix that need not be secret. */
  make(name: string, prefix?: string): string;
  /** The same with characters that JSON, URLs and shells write in another way. */
  makeAwkward(name: string, prefix?: string): string;
  /** The key without what is public of it: `hg_<environment>_<kid>_` may be shown anywhere. */
  plantKey(name: string, key: string): string;
  /** The parts of a token that only its holder has. */
  plantToken(name: string, token: string): string;
}

/** An empty set of sentinels. */
export function createSentinels(): Sentinels {
  const all: Sentinel[] = [];
  const plantBytes = (name: string, bytes: Uint8Array) => {
    all.push({ name, bytes });
    return bytes;
  };
  const plant = (name: string, value: string) => {
    plantBytes(name, Buffer.from(value));
    return value;
  };
  return {
    all,
    plant,
    plantBytes,
    make: (name, prefix = '') => prefix + plant(name, word(32)),
    makeAwkward: (name, prefix = '') => prefix + plant(name, `${word(14)}"\\/+=&%@:${word(14)}`),
    plantKey(name, key) {
      plant(name, key.slice(key.lastIndexOf('_') + 1));
      return key;
    },
    plantToken(name, token) {
      plant(name, token.slice(token.lastIndexOf('.') + 1));
      return token;
    },
  };
}

/** Letters and digits that nothing else has in this order. */
export function word(length: number): string {
  let text = '';
  while (text.length < length) text += randomBytes(48).toString('base64').replace(/[+/=]/g, '');
  return text.slice(0, length);
}
