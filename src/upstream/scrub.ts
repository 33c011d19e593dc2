import type { Secret } from '../secrets/secret.ts';

/** Forms of secrets that providers are known to repeat in their error messages, whole or shortened. */
const secretLike =
  /\b(?:sk|pk|rk|hg|xai|gsk)[-_][A-Za-z0-9_*.-]{6,}|\bAIza[A-Za-z0-9_*-]{8,}|\bBearer\s+[^\s"'\\]{8,}/g;

const maxCharacters = 16_384;

/**
 * Makes a provider's own error safe to show: the credential that was used and whatever looks like a secret are taken
 * out. Returns undefined for a text that is too long to be a sensible error.
 */
export function scrub(text: string, secret: Secret): string | undefined {
  if (text.length > maxCharacters) return undefined;
  return text.replaceAll(secret.reveal(), '[redacted]').replace(secretLike, '[redacted]');
}
