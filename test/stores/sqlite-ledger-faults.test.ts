import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, vi } from 'vitest';
import type { ReserveResult } from '../../src/limits/ledger.ts';
import { createFixedWindow } from '../../src/limits/window.ts';
import { createRuntime } from '../../src/runtime.ts';
import { createSqliteLedger } from '../../src/stores/sqlite/sqlite-ledger.ts';
import { atEnd, connect, newFile } from './sqlite-fixture.ts';
import { createSettableRuntime, openStores } from './sqlite-ledger-fixture.ts';
import { scope } from './sqlite-ledger-scope.ts';

const figures = async (ledger: ReturnType<typeof openStores>['ledger'], wanted = scope('k', 10)) => {
  const [state] = await ledger.peek([wanted]);
  return [state?.used, state?.held];
};

describe('the SQLite ledger while another has the lock', () => {
  it('rejects at its deadline, lets everything else go on, and makes what was settled once it has the lock', async () => {
    const file = newFile();
    const { ledger, migrate } = openStores(file, { deadlineMs: 1_000 });
    await migrate();
    await ledger.reserve('before', [scope('k', 10, 3)], 60_000);
    const other = new DatabaseSync(file);
    other.exec('BEGIN IMMEDIATE');
    let turns = 0;
    const timer = setInterval(() => turns++, 5);
    await expect(ledger.reserve('meanwhile', [scope('k', 10)], 60_000)).rejects.toThrow(
      /no turn within 1000 ms: other writers have the lock/,
    );
    clearInterval(timer);
    expect(turns, 'the event loop was free').toBeGreaterThan(1);
    expect(await figures(ledger)).toEqual([0, 3]);
    // nobody is kept waiting for it
    await ledger.settle('before', [2]);
    expect(ledger.state()).toMatchObject({ pendingSettlements: 1, areSettlementsLate: true });
    other.exec('ROLLBACK');
    other.close();
    await vi.waitFor(() => expect(ledger.state().pendingSettlements).toBe(0), 60_000);
    await ledger.settle('before', [9]);
    expect(await figures(ledger)).toEqual([2, 0]);
    expect(ledger.state()).toMatchObject({ areSettlementsLate: false, givenUpSettlements: 0 });
  });
});

describe('the SQLite ledger on a full disk', () => {
  it('grants nothing, goes on reading, and is exact when there is space again', async () => {
    const runtime = createRuntime();
    const connection = connect(newFile(), runtime);
    const ledger = createSqliteLedger(connection, runtime, { sweepMs: 3_600_000 });
    atEnd(() => ledger.close());
    const wanted = scope('k', 100_000, 1);
    expect(await ledger.reserve('first', [wanted], 60_000)).toMatchObject({ kind: 'granted' });
    await connection.read((database) => database.exec('PRAGMA max_page_count = 1'));
    const granted: string[] = [];
    let refused: Error | undefined;
    // until the pages that it has are full
    for (let number = 0; !refused && number < 5_000; number++) {
      await ledger.reserve(`more ${number}`, [wanted], 60_000).then(
        () => granted.push(`more ${number}`),
        (error: Error) => {
          refused = error;
        },
      );
    }
    expect(refused?.message).toMatch(/the disk is full/);
    expect(await figures(ledger, wanted)).toEqual([0, 1 + granted.length]);
    await connection.read((database) => database.exec('PRAGMA max_page_count = 1000000'));
    await Promise.all(['first', ...granted].map((id) => ledger.settle(id, [1])));
    await vi.waitFor(() => expect(ledger.state().pendingSettlements).toBe(0), 60_000);
    expect(await ledger.reserve('after', [wanted], 60_000)).toMatchObject({ kind: 'granted' });
    expect(await figures(ledger, wanted)).toEqual([1 + granted.length, 1]);
  });
});

describe('the SQLite ledger and its clock', () => {
  it('brings no window and no lease back when the clock is set back by an hour', async () => {
    const runtime = createSettableRuntime();
    const { ledger, migrate } = openStores(newFile(), {}, { runtime });
    await migrate();
    const minute = createFixedWindow('1m', 60_000);
    const before = ledger.nowMs();
    await ledger.reserve('old', [scope('k', 10, 1, 1, minute.spanAt(before))], 1_000);
    runtime.move(120_000);
    const now = ledger.nowMs();
    await ledger.reserve('new', [scope('k', 10, 2, 2, minute.spanAt(now))], 3_600_000);
    runtime.move(-3_600_000);
    expect(ledger.nowMs()).toBeGreaterThanOrEqual(now);
    const late = await ledger.reserve('late', [scope('k', 10, 1, 1, minute.spanAt(before))], 1_000);
    expect(late).toMatchObject({ kind: 'stale' });
    expect(await ledger.renew('old', 1_000)).toBe(false);
    expect(await ledger.renew('new', 1_000)).toBe(true);
    expect(await figures(ledger, scope('k', 10, 1, 1, minute.spanAt(now)))).toEqual([0, 2]);
  });

  it('counts each of a thousand requests across the end of a window in one of the two', async () => {
    const runtime = createSettableRuntime();
    const { ledger, migrate } = openStores(newFile(), { deadlineMs: 20_000 }, { runtime });
    await migrate();
    const minute = createFixedWindow('1m', 60_000);
    const first = minute.spanAt(ledger.nowMs());
    const second = minute.spanAt(first.untilMs);
    const ask = async (number: number): Promise<ReserveResult> => {
      const span = minute.spanAt(ledger.nowMs());
      const result = await ledger.reserve(`r${number}`, [scope('k', 400, 1, 1, span)], 60_000);
      if (result.kind !== 'stale') return result;
      const next = minute.spanAt(result.nowMs);
      return ledger.reserve(`r${number}`, [scope('k', 400, 1, 1, next)], 60_000);
    };
    const asked = Array.from({ length: 1_000 }, (_, number) => {
      if (number === 300) runtime.move(first.untilMs - ledger.nowMs());
      return ask(number);
    });
    const granted = (await Promise.all(asked)).filter(({ kind }) => kind === 'granted').length;
    const states = await ledger.peek([
      { key: 'k', amount: 400, span: first },
      { key: 'k', amount: 400, span: second },
    ]);
    expect(states.reduce((sum, { used, held }) => sum + used + held, 0)).toBe(granted);
    for (const { used, held } of states) expect(used + held).toBeLessThanOrEqual(400);
    expect(granted).toBeGreaterThanOrEqual(400);
  });
});
