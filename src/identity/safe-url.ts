/**
 * A URL that keys may be fetched from: https, or http to this machine alone (RFC 8252 §7.3 names the addresses).
 * `undefined` for any other, and for one with a user name or a fragment.
 */
export function toSafeUrl(text: unknown): URL | undefined {
  if (typeof text !== 'string' || text.length > 2_048 || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.hash !== '') return undefined;
  return url.protocol === 'https:' || isLocal(url) ? url : undefined;
}

/** Whether it is plain http to this machine. */
export function isLocal(url: URL): boolean {
  return url.protocol === 'http:' && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}
