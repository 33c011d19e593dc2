import { describe, expect, it } from 'vitest';
import type { KeyRecord } from '../../src/stores/key-store.ts';
import { createMemoryKeyStore } from '../../src/stores/memory/memory-key-store.ts';
import { type KeyStoreHarness, keyStoreContract } from '../../src/testing/contracts/key-store.ts';
import { createGate } from './gate.ts';

type Find = (kid: string) => Promise<KeyRecord | null>;

/** A correct store over a backend that can be broken and frozen; `wrap` makes it wrong. */
function createHarness(wrap: (find: Find) => Find = (find) => find): KeyStoreHarness {
  const memory = createMemoryKeyStore();
  const gate = createGate();
  const find = wrap(async (kid) => {
    await gate.pass();
    return memory.findKey(kid);
  });
  const { break: breakStore, freeze, slow } = gate;
  return {
    store: { findKey: find },
    put: memory.put,
    breakStore,
    freeze,
    slow: () => slow(20),
    async failOver() {
      const mend = breakStore();
      // long enough for reads to meet it
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      mend();
    },
  };
}

async function failures(create: () => KeyStoreHarness): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of keyStoreContract) {
    await run(create()).catch(() => failed.push(name));
  }
  return failed;
}

const named = (part: string) => expect.arrayContaining([expect.stringContaining(part)]);

describe('the contract of key stores', () => {
  for (const { name, run } of keyStoreContract) {
    it(`passes on a correct store that can fail: ${name}`, () => run(createHarness()));
  }

  it('has cases with names of their own, failure and freezing among them', () => {
    expect(new Set(keyStoreContract.map(({ name }) => name)).size).toBe(keyStoreContract.length);
    expect(new Set(keyStoreContract.map(({ needs }) => needs))).toEqual(
      new Set([undefined, 'breakStore', 'freeze', 'slow', 'failOver']),
    );
  });

  it.each<[string, string, (find: Find) => Find]>([
    [
      'returns null when it fails',
      'throws while the store cannot tell',
      (find) => (kid) => find(kid).catch(() => null),
    ],
    ['returns null when it fails', 'throws for each of many', (find) => (kid) => find(kid).catch(() => null)],
    [
      'returns undefined for absent',
      'not undefined',
      (find) => async (kid) => (await find(kid)) ?? (undefined as never),
    ],
    [
      'throws for absent',
      'returns null',
      (find) => async (kid) => (await find(kid)) ?? Promise.reject(new Error('404')),
    ],
    [
      'ignores case',
      'takes the id as it is',
      (find) => async (kid) => (await find(kid)) ?? find('AbcdefGH0001'),
    ],
    ['trims ids', 'takes the id as it is', (find) => (kid) => find(kid.trim())],
    [
      'throws for odd ids',
      'made to do harm',
      (find) => async (kid) => find(decodeURI(encodeURI(requireAscii(kid)))),
    ],
    [
      'hides revoked keys',
      'returns a revoked key',
      (find) => async (kid) => hide(await find(kid), 'revokedAtMs'),
    ],
    [
      'hides expired keys',
      'returns an expired key',
      (find) => async (kid) => hide(await find(kid), 'expiresAtMs'),
    ],
    ['fills gaps with null', 'leaves out the fields', (find) => async (kid) => fill(await find(kid))],
    ['loses labels', 'every field', (find) => async (kid) => without(await find(kid), 'labels')],
    ['keeps what it read for ever', 'shows a change', (find) => cacheForEver(find)],
    ['hands out one live object', 'does not change a record that it has returned', (find) => shareOne(find)],
    ['hands out one live object', 'keeps nothing that its callers can change', (find) => shareOne(find)],
    ['answers the last question asked', 'concurrent reads each', (find) => answerLast(find)],
    ['gives null after a frozen wait', 'frozen', (find) => impatient(find)],
    ['takes a slow answer for none', 'slow', (find) => impatient(find)],
    [
      'returns null while another server takes over',
      'taken over',
      (find) => (kid) => find(kid).catch(() => null),
    ],
  ])('fails on a store that %s: %s', async (_, part, wrap) => {
    expect(await failures(() => createHarness(wrap))).toEqual(named(part));
  });

  it('fails on a store that mixes two versions of a record', async () => {
    const torn =
      (find: Find): Find =>
      async (kid) => {
        const before = await find(kid);
        await new Promise((resolve) => setImmediate(resolve));
        const after = await find(kid);
        return before && after ? { ...before, team: after.team } : after;
      };
    expect(await failures(() => createHarness(torn))).toEqual(named('never a mixture'));
  });

  it('fails on a store that never recovers', async () => {
    let error: unknown;
    const latched =
      (find: Find): Find =>
      async (kid) => {
        if (error) throw error;
        return find(kid).catch((reason) => {
          error = reason;
          throw reason;
        });
      };
    const create = () => {
      error = undefined;
      return createHarness(latched);
    };
    expect(await failures(create)).toEqual(named('throws while the store cannot tell'));
  });

  it('fails, and does not pass silently, when a harness cannot do what a case needs', async () => {
    const { store, put } = createHarness();
    const failed = await failures(() => ({ store, put }));
    const needing = keyStoreContract.filter(({ needs }) => needs).map(({ name }) => name);
    expect(failed).toEqual(expect.arrayContaining(needing));
  });
});

function requireAscii(kid: string): string {
  if (/[^ -~]/.test(kid)) throw new Error('bad id');
  return kid;
}

function hide(record: KeyRecord | null, field: 'revokedAtMs' | 'expiresAtMs'): KeyRecord | null {
  return record?.[field] === undefined ? record : null;
}

function fill(record: KeyRecord | null): KeyRecord | null {
  return record && ({ expiresAtMs: null, ...record } as KeyRecord);
}

function without(record: KeyRecord | null, field: keyof KeyRecord): KeyRecord | null {
  return record && ({ ...record, [field]: undefined } as KeyRecord);
}

function cacheForEver(find: Find): Find {
  const known = new Map<string, KeyRecord | null>();
  return async (kid) => {
    const record = known.get(kid) ?? (await find(kid));
    known.set(kid, record);
    return record;
  };
}

function shareOne(find: Find): Find {
  const live = new Map<string, KeyRecord>();
  return async (kid) => {
    const record = structuredClone(await find(kid));
    if (!record) return null;
    const shared = live.get(kid);
    if (!shared) live.set(kid, record);
    return shared ? Object.assign(shared, record.team === shared.team ? {} : record) : record;
  };
}

function answerLast(find: Find): Find {
  let last = '';
  return async (kid) => {
    last = kid;
    await new Promise((resolve) => setImmediate(resolve));
    return find(last);
  };
}

function impatient(find: Find): Find {
  return async (kid) => {
    let patience = 10;
    const giveUp = async () => {
      while (patience-- > 0) await new Promise((resolve) => setImmediate(resolve));
      return null;
    };
    return Promise.race([find(kid), giveUp()]);
  };
}
