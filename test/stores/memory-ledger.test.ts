import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { forever } from '../../src/limits/window-span.ts';
import { createMemoryLedger } from '../../src/stores/memory/memory-ledger.ts';
import { granted, leaseMs, scope, slots, spanFrom } from '../../src/testing/contracts/ledger-case.ts';
import { contractOfLedger } from './ledger-contract.ts';

describe('the memory ledger', () => {
  contractOfLedger(
    () => {
      const runtime = createVirtualRuntime();
      const ledger = createMemoryLedger(runtime);
      return { ledger, second: () => ledger, now: runtime.now, advance: (ms) => runtime.advance(ms) };
    },
    {
      breakStore: 'what is in this process cannot fail apart from it',
      freeze: 'what is in this process cannot freeze apart from it',
    },
  );

  it('remembers maxEnded settled and denied ids, and forgets the oldest', () => {
    const ledger = createMemoryLedger(createVirtualRuntime(), { maxEnded: 10 });
    const isRemembered = (id: string) =>
      granted(ledger.reserve(id, [scope('probe', 100)], leaseMs)).scopes[0]?.key === 'k';
    for (let index = 0; index < 40; index++) {
      granted(ledger.reserve(`r${index}`, [slots('k', 1)], leaseMs));
      ledger.settle(`r${index}`, []);
    }
    for (let index = 30; index < 40; index++) expect(isRemembered(`r${index}`)).toBe(true);
    expect(isRemembered('r29')).toBe(false);
  });

  it('remembers maxExpired expired reservations for a late settlement, and forgets the oldest', () => {
    const runtime = createVirtualRuntime();
    const ledger = createMemoryLedger(runtime, { maxExpired: 5 });
    const wanted = scope('k', 1_000, { hold: 10 });
    for (let index = 0; index < 8; index++) granted(ledger.reserve(`r${index}`, [wanted], 1_000 + index));
    runtime.advance(2_000);
    expect(ledger.peek([wanted])[0]?.used).toBe(80);
    for (let index = 0; index < 8; index++) ledger.settle(`r${index}`, [0]);
    expect(ledger.peek([wanted])).toEqual([{ key: 'k', used: 30, held: 0, amount: 1_000 }]);
  });

  it('expires each lease at its instant, whatever the order in which they were made, renewed and settled', () => {
    const runtime = createVirtualRuntime();
    const ledger = createMemoryLedger(runtime);
    const wanted = scope('k', 10_000, { charge: 0 });
    const ends = new Map<string, number>();
    for (let index = 0; index < 500; index++) {
      const ms = 1 + ((index * 7_919) % 400);
      granted(ledger.reserve(`r${index}`, [wanted], ms));
      ends.set(`r${index}`, ms);
    }
    for (let index = 0; index < 500; index += 3) {
      const ms = 1 + ((index * 104_729) % 400);
      expect(ledger.renew(`r${index}`, ms)).toBe(true);
      ends.set(`r${index}`, ms);
    }
    for (let index = 0; index < 500; index += 7) {
      ledger.settle(`r${index}`, []);
      ends.delete(`r${index}`);
    }
    for (let ms = 0; ms <= 400; ms++) {
      const left = [...ends.values()].filter((end) => end > ms).length;
      expect(ledger.peek([wanted])[0]?.held, `after ${ms} ms`).toBe(left);
      runtime.advance(1);
    }
  });

  it('makes room above maxScopes by scopes that are empty or over, and never by one that counts', () => {
    const runtime = createVirtualRuntime();
    const ledger = createMemoryLedger(runtime, { maxScopes: 20 });
    const daily = spanFrom(runtime.now(), 86_400_000);
    const use = (key: string, span = daily, used = 10) => {
      granted(ledger.reserve(`use ${key}`, [scope(key, 100, { hold: 10, span })], leaseMs));
      ledger.settle(`use ${key}`, [used]);
    };
    use('budget', forever);
    granted(ledger.reserve('held', [slots('slot', 1)], 1e9));
    granted(
      ledger.reserve('nothing held', [scope('later', 100, { hold: 0, charge: 0, span: forever })], 1e9),
    );
    for (let index = 0; index < 100; index++) use(`empty ${index}`, forever, 0);
    for (let index = 0; index < 17; index++) use(`today ${index}`);
    expect(() => use('one more')).toThrow('20 scopes');
    expect(() => use('one more again')).toThrow('20 scopes');
    ledger.settle('nothing held', [7]);
    expect(ledger.peek([scope('later', 100), scope('budget', 100), scope('today 3', 100)])).toMatchObject([
      { used: 0 },
      { used: 0 },
      { used: 0 },
    ]);
    const read = (key: string, span = daily) => ledger.peek([scope(key, 100, { span })])[0];
    expect(read('later', forever)).toMatchObject({ used: 7, held: 0 });
    expect(read('budget', forever)).toMatchObject({ used: 10 });
    expect(read('slot', forever)).toMatchObject({ held: 1 });
    expect(read('today 3')).toMatchObject({ used: 10 });
    runtime.advance(86_400_000);
    const tomorrow = spanFrom(runtime.now(), 86_400_000);
    for (let index = 0; index < 17; index++) use(`tomorrow ${index}`, tomorrow);
    expect(() => use('one too many', tomorrow)).toThrow('20 scopes');
    expect(read('budget', forever)).toMatchObject({ used: 10 });
  });

  it('lets names that are only counted take no room from limits that block, and refuses nobody for them', () => {
    const runtime = createVirtualRuntime();
    const errors: string[] = [];
    const ledger = createMemoryLedger(runtime, {
      maxScopes: 20,
      onError: ({ message }) => errors.push(message),
    });
    const daily = spanFrom(runtime.now(), 86_400_000);
    const use = (key: string, more: object = {}) => {
      const id = `use ${key} ${runtime.now()}`;
      granted(ledger.reserve(id, [scope(key, 100, { hold: 10, span: daily, ...more })], leaseMs));
      ledger.settle(id, [10]);
    };
    const used = (key: string) => ledger.peek([scope(key, 100, { span: daily })])[0]?.used;
    for (let index = 0; index < 50; index++) use(`user ${index}`, { mode: 'count' });
    expect([used('user 0'), used('user 19'), used('user 20'), used('user 49')]).toEqual([10, 10, 0, 0]);
    // in one reservation with what is not counted, and by itself
    const both = [scope('team', 100, { hold: 10, span: daily }), scope('user 50', 1, { mode: 'count' })];
    granted(ledger.reserve('both', both, leaseMs));
    ledger.settle('both', [7, 7]);
    expect([used('team'), used('user 50')]).toEqual([7, 0]);
    for (let index = 0; index < 19; index++) use(`team ${index}`);
    expect(() => use('one team more')).toThrow('20 scopes that block');
    expect(() => use('another')).toThrow('20 scopes that block');
    expect(errors).toEqual([
      'The memory ledger has 20 scopes that count, all in use.',
      'The memory ledger has 20 scopes that block, all in use.',
    ]);
    runtime.advance(86_400_000);
    const span = spanFrom(runtime.now(), 86_400_000);
    for (let index = 0; index < 20; index++) use(`later ${index}`, { mode: 'count', span });
    expect(ledger.peek([scope('later 19', 100, { span })])[0]?.used).toBe(10);
  });

  it('throws a TypeError for a use, a charge or a lease that it cannot count with, and changes nothing', () => {
    const ledger = createMemoryLedger(createVirtualRuntime());
    const wanted = [scope('k', 100, { hold: 10 })];
    granted(ledger.reserve('one', wanted, leaseMs));
    for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => ledger.settle('one', [bad])).toThrow(TypeError);
      expect(() => ledger.renew('one', leaseMs, [bad])).toThrow(TypeError);
    }
    for (const bad of [-1, Number.NaN]) {
      expect(() => ledger.reserve('two', wanted, bad)).toThrow(TypeError);
      expect(() => ledger.renew('one', bad)).toThrow(TypeError);
    }
    expect(ledger.peek(wanted)).toEqual([{ key: 'k', used: 0, held: 10, amount: 100 }]);
    ledger.settle('one', [4]);
    expect(ledger.peek(wanted)).toEqual([{ key: 'k', used: 4, held: 0, amount: 100 }]);
  });

  it.each([['maxEnded'], ['maxExpired'], ['maxScopes']])('takes no %s below 1 and says so', (name) => {
    for (const bad of [0, -1, 1.5, Number.NaN]) {
      expect(() => createMemoryLedger(createVirtualRuntime(), { [name]: bad })).toThrow(`"${name}"`);
    }
  });

  it('keeps the window it is in when the clock is set back', () => {
    const runtime = createVirtualRuntime();
    const ledger = createMemoryLedger(runtime);
    const wanted = scope('k', 1, { span: spanFrom(runtime.now(), 60_000) });
    const before = ledger.nowMs();
    granted(ledger.reserve('one', [wanted], 1_000));
    ledger.settle('one', [1]);
    runtime.shiftClock(-3_600_000);
    expect(ledger.nowMs()).toBe(before);
    expect(ledger.reserve('two', [wanted], 1_000).kind).toBe('denied');
    expect(ledger.peek([wanted])[0]?.used).toBe(1);
  });
});
