import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { type Child, startChild } from './child.ts';
import { atEnd, newFile, until, withDatabase } from './sqlite-fixture.ts';
import { openStores, scope } from './sqlite-ledger-fixture.ts';

const teams = ['a', 'b', 'c'];
const leaseMs = 2_000;

/** Looks at the database from outside until it is told to stop: by how much a scope was above its amount at the most. */
function startSampler(file: string, amount: number) {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  const read = database.prepare(
    "SELECT max(used + held) AS most FROM headgate_ledger_buckets WHERE scope <> 'slots'",
  );
  const samples = { count: 0, mostOver: Number.NEGATIVE_INFINITY };
  let isSampling = true;
  const sampling = (async () => {
    while (isSampling) {
      const most = Number(read.get()?.most ?? 0);
      samples.count++;
      samples.mostOver = Math.max(samples.mostOver, most - amount);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    database.close();
  })();
  const stop = async () => {
    isSampling = false;
    await sampling;
    return samples;
  };
  atEnd(stop);
  return stop;
}

function startWorkers(file: string, rounds: number, amount: number): Child[] {
  const parameters = ['16', String(rounds), String(leaseMs), String(amount)];
  return teams.map((team) => {
    const child = startChild('sqlite-ledger-worker.ts', [file, team, ...parameters]);
    atEnd(() => {
      child.process.kill('SIGKILL');
      return child.ended;
    });
    return child;
  });
}

describe('the SQLite ledger under 3 processes with 16 clients each', () => {
  it('never exceeds a limit, counts each reservation once, and frees what two killed processes held', async () => {
    const amount = 60_000;
    const file = newFile();
    const { ledger, migrate } = openStores(file);
    await migrate();
    const stopSampler = startSampler(file, amount);
    const [first, ...killed] = startWorkers(file, 150, amount) as [Child, Child, Child];
    for (const child of [first, ...killed]) expect(await child.line()).toBe('ready');
    const readUsed = async (key: string) => (await ledger.peek([scope(key, amount)]))[0]?.used ?? 0;
    await until(async () => (await readUsed('organisation')) > amount / 4);
    for (const child of killed) child.process.kill('SIGKILL');
    const tally = JSON.parse((await first.line()) ?? '');
    expect(tally).toMatchObject({ pendingSettlements: 0, givenUpSettlements: 0 });
    expect(tally.denied, 'the limit was met').toBeGreaterThan(0);
    // a ledger that has reserved sweeps by itself
    await ledger.reserve('one', [scope('other', 1)], 60_000);
    const isHeld = () =>
      withDatabase(file, (database) =>
        database.prepare("SELECT 1 FROM headgate_ledger_buckets WHERE held > 0 AND scope <> 'other'").get(),
      );
    await until(() => isHeld() === undefined);
    const samples = await stopSampler();
    expect(samples.count).toBeGreaterThan(50);
    expect(samples.mostOver).toBeLessThanOrEqual(0);
    const sumOf = async (keys: readonly string[]) => {
      const used = await Promise.all(keys.map(readUsed));
      return used.reduce((sum, one) => sum + one, 0);
    };
    for (const team of teams) {
      const keys = [0, 1, 2, 3, 4].map((number) => `key ${team} ${number}`);
      expect(await sumOf(keys), team).toBe(await readUsed(`team ${team}`));
    }
    expect(await sumOf(teams.map((team) => `team ${team}`))).toBe(await readUsed('organisation'));
    expect(await readUsed('team a'), 'what the process has counted itself').toBe(tally.used);
    expect(await readUsed('slots')).toBe(0);
  }, 60_000);
});
