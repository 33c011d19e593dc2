/** One way to write a secret down, and how much of it in a row gives the secret away. */
export interface Form {
  readonly name: string;
  readonly text: string;
  /** Characters: as many as 12 characters of the secret take, or a little more where the form itself is not unique. */
  readonly window: number;
}

const shortest = 12;

/** The ways to write a secret down that a leak is looked for in. Texts are latin1: one character a byte. */
export function formsOf(secret: Uint8Array): Form[] {
  const bytes = Buffer.from(secret);
  const exact = bytes.toString('latin1');
  const numbers = [...bytes];
  const forms: Form[] = [
    { name: 'exact', text: exact, window: shortest },
    { name: 'JSON-escaped', text: JSON.stringify(exact).slice(1, -1), window: shortest },
    { name: 'URL-encoded', text: encodeURIComponent(exact), window: shortest + 8 },
    { name: 'hex', text: bytes.toString('hex'), window: shortest * 2 },
    { name: 'upper-case hex', text: bytes.toString('hex').toUpperCase(), window: shortest * 2 },
    // as printing or serialising a byte array gives it; white space is taken out before
    { name: 'list of bytes', text: numbers.join(','), window: shortest * 4 },
    {
      name: 'object of bytes',
      text: numbers.map((byte, index) => `"${index}":${byte}`).join(','),
      window: shortest * 8,
    },
  ];
  for (const offset of [0, 1, 2]) {
    const text = toBase64At(bytes, offset);
    forms.push({ name: `base64 at ${offset}`, text, window: 16 });
    const urlText = text.replaceAll('+', '-').replaceAll('/', '_');
    if (urlText !== text) forms.push({ name: `base64url at ${offset}`, text: urlText, window: 16 });
  }
  return forms;
}

/** What stands for the secret alone when something stands before it and behind it in the same base64. */
function toBase64At(bytes: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replaceAll('=', '');
  const isExact = (offset + bytes.length) % 3 === 0;
  return text.slice(offset === 0 ? 0 : offset + 1, isExact ? undefined : -1);
}
