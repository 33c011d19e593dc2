import { createSecretKey, type KeyObject } from 'node:crypto';
import { fs } from '../built-in.ts';

/**
 * Where a key encryption key is: its 32 bytes, the same as base64 (either alphabet), an environment variable that
 * holds base64, or a file that holds base64 or the bare bytes.
 */
export type KeyEncryptionKey = Uint8Array | string | { readonly env: string } | { readonly file: string };

const keyBytes = 32;
const hint = 'Make one with: openssl rand -base64 32';

/**
 * Reads a key.
 *
 * @throws TypeError naming the option when it is missing or not 32 bytes; the message holds nothing of the key
 */
export function readKeyEncryptionKey(
  option: string,
  source: KeyEncryptionKey,
  environment: Readonly<Record<string, string | undefined>>,
): KeyObject {
  const bytes = toBytes(option, source, environment);
  // as a KeyObject, inspecting it shows nothing
  const key = createSecretKey(bytes);
  if (bytes !== source) bytes.fill(0);
  return key;
}

function toBytes(
  option: string,
  source: KeyEncryptionKey,
  environment: Readonly<Record<string, string | undefined>>,
): Uint8Array {
  if (typeof source === 'string') return fromText(option, source);
  if (source instanceof Uint8Array) {
    if (source.length === keyBytes) return source;
    throw new TypeError(`${option} has ${source.length} bytes and needs ${keyBytes}. ${hint}`);
  }
  if (typeof source === 'object' && source !== null && 'env' in source) {
    const text = environment[source.env];
    if (text === undefined)
      throw new TypeError(`${option}: the environment variable ${source.env} is not set.`);
    return fromText(`${option} (${source.env})`, text);
  }
  if (typeof source === 'object' && source !== null && 'file' in source) {
    return fromFile(`${option} (${source.file})`, readKeyFile(option, source.file));
  }
  throw new TypeError(`${option} must be 32 bytes, base64, { env }, { file } or a service { wrap, unwrap }.`);
}

function readKeyFile(option: string, file: string): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (cause) {
    throw new TypeError(`${option}: the file ${file} cannot be read.`, { cause });
  }
}

function fromFile(option: string, content: Buffer): Uint8Array {
  // 32 printable characters are a shorter key in text form rather than 32 random bytes
  const isText = content.every((byte) => byte === 10 || byte === 13 || (byte >= 32 && byte < 127));
  if (content.length === keyBytes && !isText) return content;
  return fromText(option, content.toString('latin1'));
}

function fromText(option: string, text: string): Uint8Array {
  const trimmed = text.trim();
  if (!/^[0-9A-Za-z+/_-]{43}=?$/.test(trimmed)) {
    throw new TypeError(`${option} is not the base64 of ${keyBytes} bytes. ${hint}`);
  }
  return Buffer.from(trimmed, 'base64');
}
