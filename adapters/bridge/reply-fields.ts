/** How a message is framed on a connection is the adapter's business, and HTTP/2 forbids these. */
export const framingFields: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'keep-alive',
  'proxy-connection',
  'upgrade',
]);

const soundName = /^[\w!#$%&'*+.^`|~-]+$/;
const soundValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether a field can be sent at all (RFC 9110 §5.5). */
export function isSoundField(name: string, value: string | readonly string[]): boolean {
  if (!soundName.test(name)) return false;
  return typeof value === 'string' ? soundValue.test(value) : value.every((part) => soundValue.test(part));
}

/** The cookies that the host has set, and then the gateway's. */
export function toCookieList(
  before: number | string | readonly string[] | undefined,
  value: string | readonly string[],
): string[] {
  const cookies = before === undefined ? [] : typeof before === 'object' ? [...before] : [String(before)];
  return cookies.concat(value);
}
