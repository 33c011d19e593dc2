import { GatewayError } from './errors.ts';
import { toBuffer } from './upstream/bytes.ts';

/** Where a form holds one of its text fields. */
export interface FieldSpan {
  readonly start: number;
  readonly end: number;
  readonly value: string;
}

const maxParts = 256;
const maxPartHeaderBytes = 8_192;

/**
 * Finds a text field in a `multipart/form-data` body (RFC 7578), so that its value can be read, and replaced without
 * touching any other byte.
 *
 * @returns undefined when the form has no such field.
 * @throws GatewayError `malformed_request` for a body that is not the form its content type says, `duplicate_key` for
 *   the field given twice.
 */
export function findFormField(body: Uint8Array, contentType: string, name: string): FieldSpan | undefined {
  const boundary = boundaryOf(contentType);
  const bytes = toBuffer(body);
  const delimiter = `--${boundary}`;
  let found: FieldSpan | undefined;
  let at = bytes.indexOf(delimiter);
  if (at !== 0 && bytes.subarray(Math.max(0, at - 2), at).toString('latin1') !== '\r\n')
    throw malformed('it does not begin with its boundary');
  for (let parts = 0; ; parts++) {
    if (parts > maxParts) throw malformed(`it has more than ${maxParts} parts`);
    const headerStart = at + delimiter.length;
    const mark = bytes.toString('latin1', headerStart, headerStart + 2);
    if (mark === '--') return found;
    if (mark !== '\r\n') throw malformed('a boundary is not followed by a line break');
    const headerEnd = bytes.indexOf('\r\n\r\n', headerStart);
    if (headerEnd < 0 || headerEnd - headerStart > maxPartHeaderBytes)
      throw malformed('a part has no end of headers');
    const next = bytes.indexOf(`\n${delimiter}`, headerEnd + 2) - 1;
    if (next < 0) throw malformed('its last boundary is missing');
    // some readers take a bare line feed as a line break
    if (bytes[next] !== 0x0d) throw malformed('a boundary does not stand behind CR LF');
    if (fieldName(bytes.toString('latin1', headerStart, headerEnd)) === name) {
      if (found)
        throw new GatewayError('duplicate_key', `The form field "${name}" is given twice; give it once.`, {
          param: name,
        });
      const start = headerEnd + 4;
      found = { start, end: next, value: bytes.toString('utf8', start, next) };
    }
    at = next + 2;
  }
}

/** `boundary`, alone or with a `charset`: readers disagree about which of two boundaries counts. */
const parameters =
  /^[^;]*(?:;\s*charset=[\w-]{1,40}\s*)?;\s*boundary=(?:"([^"\\\r\n]{1,70})"|([^\s;"]{1,70}))\s*(?:;\s*charset=[\w-]{1,40}\s*)?;?\s*$/i;

function boundaryOf(contentType: string): string {
  const match = parameters.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (!boundary)
    throw malformed('its content-type must be multipart/form-data; boundary=…, and nothing else');
  return boundary;
}

const disposition =
  /^content-disposition:[ \t]*form-data;[ \t]*name=(?:"([^"\\]*)"|([\w.[\]-]+))(?:;[ \t]*filename\*?=(?:"(?:[^"\\]|\\.)*"|[^\s;"=]+))*[ \t]*$/i;

function fieldName(headers: string): string {
  const lines = headers.split('\r\n').filter((line) => line !== '');
  const named = lines.filter((line) => /^\s*content-disposition\s*:/i.test(line));
  // readers disagree on every other spelling, and what one reads as another field could be a second model
  const match = named.length === 1 ? disposition.exec(named[0] as string) : undefined;
  const name = match?.[1] ?? match?.[2];
  if (name === undefined || lines.some((line) => /^\s/.test(line)))
    throw malformed('a part needs one content-disposition: form-data; name="…", on one line');
  return name;
}

function malformed(why: string): GatewayError {
  return new GatewayError('malformed_request', `The multipart body cannot be read: ${why}.`);
}
