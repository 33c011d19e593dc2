import { Buffer, isUtf8 } from 'node:buffer';
import { GatewayError } from './errors.ts';
import { JsonScanError, scanJsonObject } from './json/scan.ts';
import type { HeaderMap } from './message.ts';

/** Where callers say what a request is for. */
export const metadataHeader = 'x-headgate-metadata';

/** Bounds on what a caller may send. */
const maxEntries = 32;
const maxBytes = 4_096;
const namePattern = /^[A-Za-z0-9_.-]{1,64}$/;
const valuePattern = /^[^\p{Cc}\p{Cs}\u2028\u2029]{0,256}$/u;

/** What a request says about itself: at most 32 entries, names of `[A-Za-z0-9_.-]`, printable values of at most 256 characters. */
export type Metadata = Readonly<Record<string, string>>;

/** For a request without the header. */
export const noMetadata: Metadata = Object.freeze({});

/**
 * Reads `x-headgate-metadata`: a JSON object of strings (`{"ticket":"PAY-12"}`), or comma-separated `name=value` pairs
 * (`ticket=PAY-12, env=staging`), at most 4 KB of UTF-8 or latin1. Values are trimmed.
 *
 * @returns `noMetadata` when the header is absent or empty
 * @throws GatewayError `malformed_request` (400) saying what is wrong; it repeats no value.
 */
export function readMetadata(headers: HeaderMap): Metadata {
  const field = headers[metadataHeader];
  if (field === undefined) return noMetadata;
  if (typeof field !== 'string' && field.length > 1) throw malformed('is given more than once');
  const text = toText(typeof field === 'string' ? field : (field[0] ?? '')).trim();
  if (text === '') return noMetadata;
  if (Buffer.byteLength(text) > maxBytes) throw malformed(`has more than ${maxBytes} bytes`);
  const pairs = text.startsWith('{') ? readJson(text) : readPairs(text);
  if (pairs.length > maxEntries) throw malformed(`has more than ${maxEntries} entries`);
  const metadata: Record<string, string> = {};
  for (const [name, given] of pairs) {
    if (!namePattern.test(name) || name === '__proto__') {
      throw malformed('has a name that is not 1 to 64 letters, digits or _ . -');
    }
    if (Object.hasOwn(metadata, name)) throw malformed(`names "${name}" twice`);
    if (typeof given !== 'string') throw malformed(`gives "${name}" a value that is not a string`);
    const value = given.trim();
    if (!valuePattern.test(value)) {
      throw malformed(`gives "${name}" a value that is longer than 256 characters or not printable`);
    }
    metadata[name] = value;
  }
  return Object.freeze(metadata);
}

/**
 * Checks that a request has the metadata its policy requires.
 *
 * @throws GatewayError `metadata_required` (400) naming what is missing and the header to send it in.
 */
export function requireMetadata(metadata: Metadata, required: readonly string[]): void {
  if (required.length === 0) return;
  const missing = required.filter((name) => !Object.hasOwn(metadata, name) || metadata[name] === '');
  if (missing.length === 0) return;
  const example = missing.map((name) => `${name}=…`).join(', ');
  throw new GatewayError(
    'metadata_required',
    `Your access profile asks for ${missing.map((name) => `"${name}"`).join(', ')} in the metadata of each request. Send the header ${metadataHeader}: ${example}`,
    { param: metadataHeader },
  );
}

/** A field is bytes, one per character where it comes from Node, and clients send UTF-8. */
function toText(field: string): string {
  const bytes = Buffer.from(field, 'latin1');
  return /[^\0-\xff]/.test(field) || !isUtf8(bytes) ? field : bytes.toString();
}

function readJson(text: string): [string, unknown][] {
  try {
    // refuses duplicate names, which JSON.parse does not
    scanJsonObject(new TextEncoder().encode(text));
    return Object.entries(JSON.parse(text) as object);
  } catch (error) {
    if (!(error instanceof JsonScanError) && !(error instanceof SyntaxError)) throw error;
    throw malformed('begins with { and is not a JSON object, or names something twice');
  }
}

function readPairs(text: string): [string, string][] {
  return text.split(',').flatMap((pair): [string, string][] => {
    // an extra comma is no entry
    if (pair.trim() === '') return [];
    const at = pair.indexOf('=');
    if (at === -1) throw malformed('has an entry without =; write name=value, or a JSON object');
    return [[pair.slice(0, at).trim(), pair.slice(at + 1)]];
  });
}

function malformed(problem: string): GatewayError {
  return new GatewayError('malformed_request', `The header ${metadataHeader} ${problem}.`, {
    param: metadataHeader,
  });
}
