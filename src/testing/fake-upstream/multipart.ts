/** One part of a `multipart/form-data` body. */
export interface FormPart {
  readonly name: string;
  readonly filename: string | undefined;
  readonly contentType: string | undefined;
  readonly bytes: Buffer;
}

/** The parts of a `multipart/form-data` body (RFC 7578), or `undefined` unless it is a whole one. */
export function parseMultipart(contentType: string | undefined, body: Buffer): FormPart[] | undefined {
  const match = /^multipart\/form-data;.*?boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType ?? '');
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) {
    return undefined;
  }
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first delimiter has no line break before it.
  const bytes = Buffer.concat([Buffer.from('\r\n'), body]);
  const parts: FormPart[] = [];
  let at = bytes.indexOf(delimiter);
  while (at >= 0) {
    const start = at + delimiter.length;
    if (bytes.toString('latin1', start, start + 2) === '--') {
      return parts;
    }
    const next = bytes.indexOf(delimiter, start);
    const head = bytes.indexOf('\r\n\r\n', start);
    if (next < 0 || head < 0 || head > next) {
      return undefined;
    }
    parts.push(toPart(bytes.toString('utf8', start, head), bytes.subarray(head + 4, next)));
    at = next;
  }
  return undefined;
}

/** The text fields of a form; a repeated name keeps its last value. */
export function toFields(parts: readonly FormPart[]): Record<string, string> {
  const fields = parts.filter((part) => part.filename === undefined);
  return Object.fromEntries(fields.map((part) => [part.name, part.bytes.toString('utf8')]));
}

function toPart(head: string, bytes: Buffer): FormPart {
  return {
    name: /[;\s]name="?([^"\r\n;]*)/i.exec(head)?.[1] ?? '',
    filename: /[;\s]filename="?([^"\r\n;]*)/i.exec(head)?.[1],
    contentType: /^content-type:\s*(.+)$/im.exec(head)?.[1]?.trim(),
    bytes,
  };
}
