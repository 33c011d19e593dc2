/**
 * The group that a peer's failures count in: an IPv4 address as it is, even when mapped into IPv6, and the /64
 * network of an IPv6 address, since whoever has one address in it has them all (RFC 4291 §2.5.4).
 * Peers without an address (Unix sockets, some serverless hosts) share one group.
 */
export function toAddressGroup(address: string | undefined): string {
  if (address === undefined || !address.includes(':')) return address ?? '';
  const text = address.toLowerCase();
  if (text.startsWith('::ffff:') && text.includes('.')) return text.slice(7);
  const gap = text.indexOf('::');
  const hextets = (gap === -1 ? text : text.slice(0, gap)).split(':', 4);
  // `::` stands for zeros in the network part, unless the rest of the address reaches into it
  const tail = text.slice(gap + 2).split(':');
  const zeros = Math.max(0, 8 - (gap === 0 ? 0 : hextets.length) - (tail[0] === '' ? 0 : tail.length));
  const head = gap === 0 ? [] : hextets;
  const all = gap === -1 ? head : [...head, ...new Array<string>(zeros).fill('0'), ...tail];
  return `${all
    .slice(0, 4)
    .map((hextet) => hextet.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
