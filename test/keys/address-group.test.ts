import { describe, expect, it } from 'vitest';
import { toAddressGroup } from '../../src/keys/address-group.ts';

describe('toAddressGroup', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::2:3:4:5:6', '2001:db8:0:2::/64'],
    ['1:2:3:4:5::6', '1:2:3:4::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    [undefined, ''],
  ])('counts %s under %s', (address, group) => {
    expect(toAddressGroup(address)).toBe(group);
  });

  it('takes whatever it is given without throwing', () => {
    for (const address of ['', ':', '::::', 'unix:/tmp/x.sock', ':'.repeat(1_000)]) {
      expect(typeof toAddressGroup(address)).toBe('string');
    }
  });
});
