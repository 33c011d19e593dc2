import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether only this machine can reach a server that listens there. */
export function isLoopback(host: string): boolean {
  const bare = stripBrackets(host);
  const version = isIP(bare);
  if (version === 0) return bare.toLowerCase() === 'localhost';
  // a mapped address (::ffff:127.0.0.1) is checked as the IPv4 address that it is
  return loopback.check(bare, version === 6 ? 'ipv6' : 'ipv4');
}

/** The URL of a listening address. */
export function toUrl(host: string, port: number): string {
  const bare = stripBrackets(host);
  return `http://${isIP(bare) === 6 ? `[${bare}]` : bare}:${port}`;
}

/** `[::1]` as `::1`; anything else as it is. */
export function stripBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}
