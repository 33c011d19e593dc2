import type { Secret } from '../secrets/secret.ts';

/** Forms of secrets that providers are known to repeat in their error messages, whole or shortened. */
const secretLike =
  /\b(?:sk|pk|rk|hg|xai|gsk)[-_][A-Za-z0-9_*.-]{6,}|\bAIza[A-Za-z0-9_*-]{8,}|\bBearer\s+[^\s"'\\]{8,}/g;

const maxCharacters = 16_384;
/** Of a credential. */
const leastCharacters = 12;
const redacted = '[redacted]';

/**
 * Makes a provider's own error safe to show. Removes the credential that was used, in any part of 12 characters or more
 * and as JSON, URLs, hex and base64 write it, and whatever looks like a secret. Returns undefined for a text that is
 * too long to be a sensible error.
 *
 * @param others what else was sent that may be a credential; shorter ones are not. @default nothing
 */
export function scrub(text: string, secret: Secret, others: readonly Secret[] = []): string | undefined {
  if (text.length > maxCharacters) return undefined;
  let shown = text;
  const isLong = (other: Secret) => other.reveal().length >= leastCharacters;
  for (const one of [secret, ...others.filter(isLong)]) {
    for (const form of formsOf(one)) shown = withoutParts(shown, form);
  }
  return shown.replace(secretLike, redacted);
}

/** The credential itself: a caller's own is kept as a whole header value. */
export function tokenOf(secret: Secret): string {
  return secret.reveal().replace(/^Bearer\s+/i, '');
}

interface Form {
  readonly text: string;
  /** Parts of this length are removed. */
  readonly window: number;
  readonly windows: ReadonlySet<string>;
}

// errors are rare, but not those of a provider that refuses everything
const known = new WeakMap<Secret, readonly Form[]>();

function formsOf(secret: Secret): readonly Form[] {
  let forms = known.get(secret);
  if (!forms) {
    const text = tokenOf(secret);
    const bytes = Buffer.from(text);
    const hex = bytes.toString('hex');
    // the escaped form first: without the backslash before a quote the rest would not be JSON
    forms = [
      toForm(JSON.stringify(text).slice(1, -1), leastCharacters),
      toForm(text, leastCharacters),
      toForm(encodeURIComponent(text), 20),
      toForm(hex, 24),
      toForm(hex.toUpperCase(), 24),
      ...[0, 1, 2].flatMap((offset) => {
        const base64 = toBase64At(bytes, offset);
        return [toForm(base64, 16), toForm(base64.replaceAll('+', '-').replaceAll('/', '_'), 16)];
      }),
    ];
    known.set(secret, forms);
  }
  return forms;
}

function toForm(text: string, length: number): Form {
  const window = Math.min(length, text.length);
  const windows = new Set<string>();
  for (let start = 0; window > 0 && start + window <= text.length; start++) {
    windows.add(text.slice(start, start + window));
  }
  return { text, window, windows };
}

/** What encodes only the credential when other bytes precede and follow it in the same base64. */
function toBase64At(bytes: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replaceAll('=', '');
  const isExact = (offset + bytes.length) % 3 === 0;
  return text.slice(offset === 0 ? 0 : offset + 1, isExact ? undefined : -1);
}

function withoutParts(text: string, { window, windows }: Form): string {
  if (window === 0) return text;
  let shown = '';
  let copied = 0;
  for (let start = 0; start + window <= text.length; start++) {
    if (!windows.has(text.slice(start, start + window))) continue;
    let end = start + window;
    while (end < text.length && windows.has(text.slice(end + 1 - window, end + 1))) end++;
    shown += text.slice(copied, start) + redacted;
    copied = end;
    start = end - 1;
  }
  return copied === 0 ? text : shown + text.slice(copied);
}
