/** Digits in the order 0-9 A-Z a-z, as in the tokens of GitHub and npm. */
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const values = new Int8Array(128).fill(-1);
for (let index = 0; index < digits.length; index++) values[digits.charCodeAt(index)] = index;

/**
 * The last `length` base62 digits of `bytes` read as one big-endian number, padded with `0`.
 * Nothing is lost when 62^length ≥ 256^bytes: 43 digits hold 32 bytes.
 */
export function encodeBase62(bytes: Uint8Array, length: number): string {
  let number = 0n;
  for (const byte of bytes) number = (number << 8n) | BigInt(byte);
  let text = '';
  for (let index = 0; index < length; index++) {
    text = (digits[Number(number % 62n)] as string) + text;
    number /= 62n;
  }
  return text;
}

/** A number below 2^53 as `length` base62 digits. */
export function encodeBase62Number(number: number, length: number): string {
  let rest = number;
  let text = '';
  for (let index = 0; index < length; index++) {
    text = (digits[rest % 62] as string) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

/** Value of the digits of `text` in [start, end), at most 8 of them; -1 when one is not a base62 digit. */
export function decodeBase62Number(text: string, start: number, end: number): number {
  let number = 0;
  for (let index = start; index < end; index++) {
    const value = base62Value(text.charCodeAt(index));
    if (value < 0) return -1;
    number = number * 62 + value;
  }
  return number;
}

/** Whether `text` has nothing but base62 digits in [start, end). */
export function isBase62(text: string, start: number, end: number): boolean {
  for (let index = start; index < end; index++) {
    if (base62Value(text.charCodeAt(index)) < 0) return false;
  }
  return true;
}

function base62Value(code: number): number {
  return code < 128 ? (values[code] as number) : -1;
}
