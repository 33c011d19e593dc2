import { createKeyService, createRuntime, type KeyRecord, type Runtime, type Stores } from 'headgate';
import { describe, expect, it } from 'vitest';
import { issueKey } from '../../src/keys/issue-key.ts';
import { createKeyResolver } from '../../src/keys/resolver.ts';
import { backends } from '../backends.ts';
import { peppers } from '../keys/key-fixture.ts';

const minuteMs = 60_000;
const right = createRuntime();

function withClock(byMs: number): Runtime {
  return { ...right, now: () => right.now() + byMs };
}

/** Puts a key of which some fields are others. */
async function put({ keys }: Stores, change: (record: KeyRecord) => Partial<KeyRecord>): Promise<string> {
  const { key, record } = issueKey({ team: 'web' }, peppers, right);
  expect(await keys.putKey({ ...record, ...change(record), version: 1 }, 0)).toBe(true);
  return key;
}

/** A rotation of the secret that the key has. */
const rotated =
  (graceUntilMs: number) =>
  ({ secretHash, pepperId, last4 }: KeyRecord): Partial<KeyRecord> => ({
    secretHash: 'ab'.repeat(32),
    previous: { secretHash, pepperId, last4, graceUntilMs },
  });

/** What a gateway with this clock says of keys that end a minute ago and in a minute, when it reads them and later. */
async function answersOf(stores: Stores, runtime: Runtime): Promise<Record<string, readonly string[]>> {
  const nowMs = right.now();
  const keys = {
    ended: await put(stores, () => ({ expiresAtMs: nowMs - minuteMs })),
    lasting: await put(stores, () => ({ expiresAtMs: nowMs + minuteMs })),
    graceOver: await put(stores, rotated(nowMs - minuteMs)),
    inGrace: await put(stores, rotated(nowMs + minuteMs)),
  };
  const resolver = createKeyResolver({ store: stores.keys, runtime, peppers });
  const answers: Record<string, readonly string[]> = {};
  for (const [name, key] of Object.entries(keys)) {
    const resolve = async () => resolver.resolve({ 'x-api-key': key }, '');
    const code = () =>
      resolve().then(
        () => 'accepted',
        (error: { readonly code: string }) => error.code,
      );
    answers[name] = [await code(), await code()];
  }
  return answers;
}

const twice = (answer: string) => [answer, answer];
const byTheRightTime = {
  ended: twice('expired_key'),
  lasting: twice('accepted'),
  graceOver: twice('key_rotated'),
  inGrace: twice('accepted'),
};

describe.each(Object.keys(backends).filter((name) => name !== 'memory'))('keys in %s', (name) => {
  it.each([
    ['an hour ahead', 60],
    ['an hour behind', -60],
  ])("end by the store's clock on a gateway whose own is %s", async (_, minutes) => {
    const stores = (await backends[name]?.())?.open() as Stores;
    await stores.migrate();
    expect(await answersOf(stores, withClock(minutes * minuteMs))).toEqual(byTheRightTime);
  });

  it("get their expiry and grace by the store's clock from an operator whose own is off", async () => {
    const stores = (await backends[name]?.())?.open() as Stores;
    await stores.migrate();
    const service = createKeyService({ store: stores.keys, peppers, runtime: withClock(-60 * minuteMs) });
    const beforeMs = right.now();
    const { record } = await service.create({ team: 'web', lifetimeMs: minuteMs }, 'ops');
    const { record: next } = await service.rotate(record.kid, { graceMs: minuteMs });
    for (const endMs of [record.expiresAtMs, next.previous?.graceUntilMs]) {
      expect(endMs).toBeGreaterThan(beforeMs + minuteMs - 2_000);
      expect(endMs).toBeLessThan(right.now() + minuteMs + 2_000);
    }
    expect(await service.find(record.kid)).toMatchObject({ state: 'active' });
  });
});

describe('keys in memory', () => {
  it("end by the gateway's clock: there is no other", async () => {
    const stores = (await backends.memory?.())?.open() as Stores;
    expect(stores.keys.readClockMs).toBeUndefined();
    expect(await answersOf(stores, withClock(0))).toEqual(byTheRightTime);
    expect(await answersOf(stores, withClock(60 * minuteMs))).toMatchObject({
      lasting: twice('expired_key'),
      inGrace: twice('key_rotated'),
    });
  });
});
