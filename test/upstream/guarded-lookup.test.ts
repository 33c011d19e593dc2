import type { LookupAddress } from 'node:dns';
import { describe, expect, it } from 'vitest';
import { createGuardedLookup } from '../../src/upstream/guarded-lookup.ts';

type Answers = readonly (readonly string[])[];

/** Asks for one name, again and again, and is told these addresses in turn. */
async function ask(answers: Answers): Promise<string[]> {
  let times = 0;
  const lookup = createGuardedLookup({
    resolve: (_, __, callback) => {
      const addresses = answers[times++] ?? [];
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    },
  });
  const told: string[] = [];
  for (const _ of answers) {
    told.push(
      await new Promise((resolve) =>
        lookup('provider.test', { all: true }, (error, addresses) =>
          resolve(
            error
              ? String((error as NodeJS.ErrnoException).code)
              : (addresses as LookupAddress[]).map(({ address }) => address).join(),
          ),
        ),
      ),
    );
  }
  return told;
}

const refused = 'ERR_ADDRESS_REFUSED';

describe('createGuardedLookup', () => {
  it('lets names pass that are inside from the beginning, and names that are public', async () => {
    expect(await ask([['127.0.0.1'], ['127.0.0.1', '::1'], ['10.0.0.7']])).toEqual([
      '127.0.0.1',
      '127.0.0.1,::1',
      '10.0.0.7',
    ]);
    expect(await ask([['203.0.113.5'], ['2001:db8::1', '203.0.113.6']])).toEqual([
      '203.0.113.5',
      '2001:db8::1,203.0.113.6',
    ]);
    const both = ['203.0.113.5', 'fd12::5'];
    expect(await ask([both, both]), 'a name with addresses of both kinds').toEqual([
      String(both),
      String(both),
    ]);
  });

  it.each([
    ['127.0.0.1'],
    ['10.1.2.3'],
    ['100.64.0.1'],
    ['172.31.0.1'],
    ['192.168.1.1'],
    ['::1'],
    ['fd12::1'],
    ['::ffff:127.0.0.1'],
    ['::ffff:7f00:1'],
    ['64:ff9b::7f00:1'],
    ['64:ff9b::10.0.0.1'],
    ['2002:7f00:1::'],
    ['64:ff9b:1::10.0.0.1'],
    ['::10.0.0.1'],
  ])('refuses %s of a name that was public before', async (address) => {
    expect(await ask([['203.0.113.5'], ['203.0.113.5', address], ['203.0.113.5']])).toEqual([
      '203.0.113.5',
      refused,
      '203.0.113.5',
    ]);
  });

  it.each([
    ['169.254.169.254'],
    ['0.0.0.0'],
    ['239.0.0.1'],
    ['255.255.255.255'],
    ['::'],
    ['fe80::1'],
    ['fec0::1'],
    ['ff02::1'],
    ['fd00:ec2::254'],
    ['::ffff:169.254.169.254'],
    ['64:ff9b::a9fe:a9fe'],
    ['2002:a9fe:a9fe::'],
    ['64:ff9b:1::a9fe:a9fe'],
    ['::a9fe:a9fe'],
  ])('refuses %s of any name', async (address) => {
    expect(await ask([[address]])).toEqual([refused]);
  });

  it('refuses a name that leads nowhere', async () => {
    expect(await ask([[]])).toEqual([refused]);
  });

  it('gives one address to who asks for one', async () => {
    const lookup = createGuardedLookup({
      resolve: (_, __, callback) => callback(null, [{ address: '203.0.113.5', family: 4 }]),
    });
    const told = await new Promise((resolve) =>
      lookup('provider.test', {}, (_, address, family) => resolve([address, family])),
    );
    expect(told).toEqual(['203.0.113.5', 4]);
  });

  it('passes on what the resolver fails with', async () => {
    const lookup = createGuardedLookup({
      resolve: (_, __, callback) => callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []),
    });
    const error = await new Promise((resolve) => lookup('provider.test', { all: true }, resolve));
    expect(error).toMatchObject({ code: 'ENOTFOUND' });
  });
});
