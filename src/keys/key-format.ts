import { zlib } from '../built-in.ts';
import type { Runtime } from '../runtime.ts';
import { decodeBase62Number, encodeBase62, encodeBase62Number, isBase62 } from './base62.ts';

const brand = 'hg_';
const minEnvironmentLength = 2;
const maxEnvironmentLength = 8;
const minKidLength = 10;
const maxKidLength = 12;
const secretLength = 43;
const checksumLength = 6;
const tailLength = secretLength + checksumLength;
const minKeyLength = brand.length + minEnvironmentLength + 1 + minKidLength + 1 + tailLength;
const maxKeyLength = brand.length + maxEnvironmentLength + 1 + maxKidLength + 1 + tailLength;

/**
 * Finds Headgate keys in text, for secret scanners: publish `keyPattern.source`. It has no capture groups and
 * runs in linear time. Every match can be checked offline with `parseKey`, which verifies its checksum.
 */
export const keyPattern = /\bhg_[a-z]{2,8}_[0-9A-Za-z]{10,12}_[0-9A-Za-z]{49}\b/g;

/** The parts of a key that look-ups need. */
export interface ParsedKey {
  /** Environment named in the key: `live`, `test`, … Protected by the checksum only; the record's decides. */
  readonly environment: string;
  /** Public id: index, log and revoke by it. */
  readonly kid: string;
  /** 43 base62 characters, 256 bits. */
  readonly secret: string;
}

/** A new key. `key` and `secret` are shown once and stored nowhere. */
export interface CreatedKey extends ParsedKey {
  /** The whole key, as a client sends it. */
  readonly key: string;
  /** Last four characters of the secret, for `KeyRecord.last4`. */
  readonly last4: string;
}

/** Options of `createKey`. */
export interface CreateKeyOptions {
  /** 2 to 8 lower-case letters. @default 'live' */
  readonly environment?: string;
  /** Kid of an existing key that gets a new secret. 10 to 12 base62 characters. @default a new one */
  readonly kid?: string;
}

/**
 * Makes a key: `hg_<environment>_<kid>_<secret><crc>`. The kid is 12 base62 characters, the secret 256 bits of
 * `runtime.randomBytes` as 43 base62 digits, the last 6 characters the CRC-32 of everything before them, in
 * base62. Scanners and `parseKey` use it to tell a key from noise. It is no protection.
 *
 * @throws TypeError when `environment` is not 2 to 8 lower-case letters, or `kid` is not 10 to 12 base62 characters
 */
export function createKey(runtime: Runtime, options: CreateKeyOptions = {}): CreatedKey {
  const { environment = 'live' } = options;
  if (!/^[a-z]{2,8}$/.test(environment)) {
    throw new TypeError('createKey: "environment" must be 2 to 8 lower-case letters.');
  }
  if (options.kid !== undefined && !/^[0-9A-Za-z]{10,12}$/.test(options.kid)) {
    throw new TypeError('createKey: "kid" must be 10 to 12 base62 characters.');
  }
  // 128 bits reduced to 71: the bias towards any one kid stays below 2^-56
  const kid = options.kid ?? encodeBase62(runtime.randomBytes(16), maxKidLength);
  const secret = encodeBase62(runtime.randomBytes(32), secretLength);
  const body = `${brand}${environment}_${kid}_${secret}`;
  const key = body + encodeBase62Number(zlib().crc32(body), checksumLength);
  return { key, environment, kid, secret, last4: secret.slice(-4) };
}

/**
 * Parses a key; `undefined` when `text` is not one: wrong length, alphabet or checksum. Takes less than a
 * microsecond for any text, and runs before anything is looked up.
 */
export function parseKey(text: string): ParsedKey | undefined {
  const length = text.length;
  if (length < minKeyLength || length > maxKeyLength || !text.startsWith(brand)) return undefined;
  const secretStart = length - tailLength;
  const checksumStart = length - checksumLength;
  const environmentEnd = brand.length + countLowerCase(text, brand.length, maxEnvironmentLength);
  const kidStart = environmentEnd + 1;
  const kidLength = secretStart - 1 - kidStart;
  if (
    environmentEnd - brand.length < minEnvironmentLength ||
    kidLength < minKidLength ||
    kidLength > maxKidLength ||
    text[environmentEnd] !== '_' ||
    text[secretStart - 1] !== '_' ||
    !isBase62(text, kidStart, secretStart - 1) ||
    !isBase62(text, secretStart, checksumStart)
  ) {
    return undefined;
  }
  // Everything covered by the checksum is known to be ASCII here, so its bytes are its characters.
  const checksum = decodeBase62Number(text, checksumStart, length);
  if (checksum !== zlib().crc32(text.slice(0, checksumStart))) return undefined;
  return {
    environment: text.slice(brand.length, environmentEnd),
    kid: text.slice(kidStart, secretStart - 1),
    secret: text.slice(secretStart, checksumStart),
  };
}

function countLowerCase(text: string, start: number, max: number): number {
  let count = 0;
  while (count < max) {
    const code = text.charCodeAt(start + count);
    if (code < 97 || code > 122) break;
    count++;
  }
  return count;
}
