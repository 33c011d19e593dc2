import { afterEach, describe, expect, it } from 'vitest';
import type { ReadScope, Span } from '../../src/limits/ledger.ts';
import { startRedis } from '../servers/redis.ts';
import { type Child, startChild } from './child.ts';
import { eventually, newInstallation } from './redis-fixture.ts';
import { openLedger } from './redis-ledger-fixture.ts';
import { connectTo } from './redis-raw.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const forever: Span = {
  bucket: 0,
  buckets: [0],
  fromMs: 0,
  untilMs: Number.POSITIVE_INFINITY,
  forgetMs: Number.POSITIVE_INFINITY,
};
const teams = ['a', 'b', 'c', 'd'];
const leaseMs = 1_000;
const slots = 150;

interface Tally {
  readonly used: number;
  readonly uncertain: number;
  readonly granted: number;
  readonly denied: number;
  readonly failed: number;
  readonly ms: number;
  readonly pending: number;
  readonly givenUp: number;
}

/** Four processes with 50 clients each, and what a sampler sees of the store meanwhile. */
async function startLoad(rounds: number, amount: number, deadlineMs: number) {
  const server = await startRedis({ own: true });
  const raw = await connectTo(server.url);
  ends.push(server.stop, raw.close);
  const installation = newInstallation();
  const opened = openLedger(server.url, { installation });
  ends.push(opened.close);
  const parameters = [String(rounds), String(leaseMs), String(amount), String(deadlineMs), String(slots)];
  const children = teams.map((team) =>
    startChild('redis-ledger-worker.ts', [server.url, installation, team, ...parameters]),
  );
  ends.push(async () => {
    for (const child of children) child.process.kill('SIGKILL');
    await Promise.all(children.map(({ ended }) => ended));
  });
  for (const child of children) expect(await child.line()).toBe('ready');

  const samples = { count: 0, mostOver: Number.NEGATIVE_INFINITY, mostSlotsOver: Number.NEGATIVE_INFINITY };
  let isSampling = true;
  const sampling = (async () => {
    while (isSampling) {
      const [organisation, held] = (await raw.send(
        ...['HMGET', `headgate:{${installation}}:ledger:totals`, '0:organisation', '0:slots'],
      )) as (string | null)[];
      samples.count++;
      samples.mostOver = Math.max(samples.mostOver, sumOf(organisation) - amount);
      samples.mostSlotsOver = Math.max(samples.mostSlotsOver, sumOf(held) - slots);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  ends.push(async () => {
    isSampling = false;
    await sampling;
  });

  const read = async (keys: readonly string[]) => {
    const scopes: ReadScope[] = keys.map((key) => ({ key, amount, span: forever }));
    return opened.ledger.peek(scopes);
  };
  return { server, raw, children, samples, read, installation };
}

const sumOf = (bucket: string | null | undefined) =>
  (bucket ?? '0:0').split(':').reduce((sum, part) => sum + Number(part), 0);

async function tallyOf(child: Child): Promise<Tally> {
  const text = await child.line();
  return JSON.parse(text ?? '') as Tally;
}

type Load = Awaited<ReturnType<typeof startLoad>>;

/** After the last lease: nothing is held, and the sums of keys, teams and organisation are one. */
async function expectBalance({ read }: Load): Promise<number> {
  const keysOf = (team: string) => [0, 1, 2, 3, 4].map((number) => `key ${team} ${number}`);
  const all = [...teams.flatMap(keysOf), ...teams.map((team) => `team ${team}`), 'organisation', 'slots'];
  return eventually(async () => {
    const states = new Map((await read(all)).map((state) => [state.key, state]));
    const used = (keys: readonly string[]) =>
      keys.reduce((sum, key) => sum + (states.get(key)?.used ?? 0), 0);
    for (const { key, held } of states.values()) expect(held, `held of ${key}`).toBe(0);
    for (const team of teams) expect(used(keysOf(team)), team).toBe(used([`team ${team}`]));
    expect(used(teams.map((team) => `team ${team}`))).toBe(used(['organisation']));
    expect(used(['slots'])).toBe(0);
    return used(['organisation']);
  }, 10 * leaseMs);
}

describe('the ledger in Redis under 4 processes with 50 clients each', () => {
  it('never exceeds a limit, counts each reservation once, and frees what two killed processes held', async () => {
    const amount = 12_000;
    const load = await startLoad(100, amount, 20_000);
    const [first, second, ...killed] = load.children as [Child, Child, Child, Child];
    await eventually(async () => {
      const [state] = await load.read(['organisation']);
      expect(state?.used).toBeGreaterThan(amount / 4);
    });
    for (const child of killed) child.process.kill('SIGKILL');
    const tallies = await Promise.all([first, second].map(tallyOf));
    const used = await expectBalance(load);
    expect(used).toBeLessThanOrEqual(amount);
    expect(used, 'the limit was met').toBeGreaterThan(0.9 * amount);
    expect(load.samples.count).toBeGreaterThan(50);
    expect(load.samples.mostOver).toBeLessThanOrEqual(0);
    expect(load.samples.mostSlotsOver).toBeLessThanOrEqual(0);
    const states = await load.read(['team a', 'team b']);
    for (const [at, tally] of tallies.entries()) {
      expect(tally).toMatchObject({ failed: 0, pending: 0, givenUp: 0 });
      expect(tally.denied).toBeGreaterThan(0);
      expect(states[at]?.used, 'what the process has counted itself').toBe(tally.used);
    }
  }, 60_000);

  it('never exceeds a limit while the server stands still for 5 s, and is exact again after', async () => {
    const amount = 400_000;
    const load = await startLoad(120, amount, 500);
    await eventually(async () => {
      const [state] = await load.read(['organisation']);
      expect(state?.used).toBeGreaterThan(5_000);
    });
    await load.server.freeze();
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    await load.server.thaw();
    const tallies = await Promise.all(load.children.map(tallyOf));
    await expectBalance(load);
    expect(load.samples.mostOver).toBeLessThanOrEqual(0);
    expect(load.samples.mostSlotsOver).toBeLessThanOrEqual(0);
    const states = await load.read(teams.map((team) => `team ${team}`));
    for (const [at, tally] of tallies.entries()) {
      expect(tally).toMatchObject({ pending: 0, givenUp: 0 });
      expect(tally.failed, 'it was met by the standstill').toBeGreaterThan(0);
      const used = states[at]?.used ?? 0;
      // a reservation whose caller was told that it failed may have been made: it is charged by its lease
      expect(used).toBeGreaterThanOrEqual(tally.used);
      expect(used).toBeLessThanOrEqual(tally.used + tally.uncertain);
    }
  }, 60_000);
});
