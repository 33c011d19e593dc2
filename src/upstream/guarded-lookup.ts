import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { BlockList, type LookupFunction } from 'node:net';
import { LRUCache } from 'lru-cache';

type Callback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;
type Resolve = (
  host: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * Resolves names for connections, and refuses answers with addresses that the name cannot be meant for:
 *
 * - link-local addresses (cloud metadata lives there), unspecified ones (`0.0.0.0`) and multicast, always;
 * - this machine or a private network, once the name had only public addresses: a name that is inside from the start
 *   is the operator's own; one that turns inside is DNS rebinding.
 *
 * Connections go to the very addresses that were checked. Hosts that are addresses are neither resolved nor checked.
 *
 * @param options.maxHosts how many public names are remembered; the least used go first. @default 1_000
 * @param options.resolve asks the system. @default `lookup` of node:dns
 */
export function createGuardedLookup(
  options: { readonly maxHosts?: number; readonly resolve?: Resolve } = {},
): LookupFunction {
  const publicHosts = new LRUCache<string, true>({ max: options.maxHosts ?? 1_000 });
  const resolve: Resolve = options.resolve ?? ((host, wanted, callback) => lookup(host, wanted, callback));
  const guarded = (host: string, wanted: LookupOptions, callback: Callback): void => {
    resolve(host, { ...wanted, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const kinds = addresses.map(({ address, family }) => kindOf(address, family));
      const turnedInside = kinds.includes('inside') && publicHosts.has(host);
      if (kinds.includes('never') || turnedInside || addresses.length === 0) {
        return callback(toRefused(host), []);
      }
      // a name that has both is the operator's own, too
      if (!kinds.includes('inside')) publicHosts.set(host, true);
      if (wanted.all) return callback(null, addresses);
      const [first] = addresses as [LookupAddress];
      callback(null, first.address, first.family);
    });
  };
  return guarded as LookupFunction;
}

function toRefused(host: string): NodeJS.ErrnoException {
  const error = new Error(`The name ${host} leads to an address that this gateway does not connect to.`);
  return Object.assign(error, { code: 'ERR_ADDRESS_REFUSED' });
}

const never = new BlockList();
never.addSubnet('0.0.0.0', 8, 'ipv4');
never.addSubnet('169.254.0.0', 16, 'ipv4');
never.addSubnet('224.0.0.0', 3, 'ipv4');
never.addAddress('::', 'ipv6');
never.addSubnet('fe80::', 10, 'ipv6');
never.addSubnet('fec0::', 10, 'ipv6');
never.addSubnet('ff00::', 8, 'ipv6');
never.addAddress('fd00:ec2::254', 'ipv6');

const inside = new BlockList();
inside.addSubnet('10.0.0.0', 8, 'ipv4');
inside.addSubnet('100.64.0.0', 10, 'ipv4');
inside.addSubnet('127.0.0.0', 8, 'ipv4');
inside.addSubnet('172.16.0.0', 12, 'ipv4');
inside.addSubnet('192.168.0.0', 16, 'ipv4');
inside.addAddress('::1', 'ipv6');
inside.addSubnet('fc00::', 7, 'ipv6');

function kindOf(address: string, family: number): 'never' | 'inside' | 'public' {
  const embedded = family === 6 ? toEmbedded(address) : undefined;
  if (embedded !== undefined) return kindOf(embedded, 4);
  const type = family === 6 ? 'ipv6' : 'ipv4';
  if (never.check(address, type)) return 'never';
  return inside.check(address, type) ? 'inside' : 'public';
}

/** The IPv4 address in an IPv6 one: mapped, compatible, NAT64 (`64:ff9b::/96`, `64:ff9b:1::/96`) or 6to4 (`2002::/16`). */
function toEmbedded(address: string): string | undefined {
  const groups = toGroups(address);
  const toV4 = (high: number, low: number) => `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  const [first = 0, second = 0, third = 0, , , sixth = 0, seventh = 0, eighth = 0] = groups;
  if (first === 0x2002) return toV4(second, third);
  const isNat64 = first === 0x64 && second === 0xff9b && third <= 1 && sixth === 0;
  const isLeading = groups.slice(0, 5).every((group) => group === 0);
  // `::` and `::1` are addresses of their own
  const isMapped = isLeading && (sixth === 0xffff || (sixth === 0 && seventh !== 0));
  return isMapped || (isNat64 && groups[3] === 0 && groups[4] === 0) ? toV4(seventh, eighth) : undefined;
}

function toGroups(address: string): number[] {
  // an IPv4 address at the end stands for two groups
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const toGroup = (high: string, low: string) => ((Number(high) << 8) | Number(low)).toString(16);
    return `${toGroup(a, b)}:${toGroup(c, d)}`;
  });
  const [head = '', tail] = plain.split('::');
  const toNumbers = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const start = toNumbers(head);
  const end = tail === undefined ? [] : toNumbers(tail);
  return [...start, ...Array.from({ length: 8 - start.length - end.length }, () => 0), ...end];
}
