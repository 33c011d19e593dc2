import { afterEach, expect } from 'vitest';
import type { Ledger, ReadScope, Span } from '../../src/limits/ledger.ts';
import { forever } from '../../src/limits/window-span.ts';
import { eventually } from '../eventually.ts';
import { type Child, startChild } from './child.ts';

/** Which ledger the processes open. */
export type Backend = 'redis' | 'postgres' | 'sqlite';

/** How much the processes ask, and of what. */
export interface Load {
  /** Of each process. */
  readonly clients: number;
  /** Of each client. */
  readonly rounds: number;
  readonly leaseMs: number;
  /** Of every scope but the slots. */
  readonly amount: number;
  readonly slots: number;
  /** After which a call of the ledger fails. */
  readonly deadlineMs: number;
}

/** What a process has done, as it knows itself. */
export interface Tally {
  readonly used: number;
  /** Charges of reservations that failed: they may be held, and then are charged. */
  readonly uncertain: number;
  readonly granted: number;
  readonly denied: number;
  readonly failed: number;
  readonly pending: number;
  readonly givenUp: number;
}

/** A store, and how it is looked at from outside. */
export interface LoadedStore {
  readonly backend: Backend;
  /** What the processes open it with. */
  readonly place: object;
  readonly ledger: Pick<Ledger, 'peek'>;
  /** Used and held together of the scope of all that has the most, and of the slots; undefined while it does not answer. */
  sample(): Promise<{ readonly most: number; readonly slots: number } | undefined>;
  /** What is wrong besides, when all is over. @default nothing */
  check?(): Promise<void>;
}

const teams = ['a', 'b', 'c', 'd'];
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Runs when the test has ended; the last one first. */
export function atEnd(action: () => Promise<unknown>): void {
  ends.push(action);
}

const rolling: Span = { ...forever, bucket: 3, buckets: [1, 2, 3] };

/** Four processes at work on a store. */
export interface RunningLoad {
  readonly children: readonly Child[];
  /** What a sampler sees of the store meanwhile: by how much a scope was above its amount at the most. */
  readonly samples: { readonly count: number; readonly mostOver: number; readonly mostSlotsOver: number };
  /** Used of a scope. */
  usedOf(key: string): Promise<number>;
  /** Resolves when so much is used of the organisation. */
  until(used: number): Promise<void>;
  /** What a process has done, when it has ended. */
  tallyOf(child: Child): Promise<Tally>;
  /** After the last lease: nothing is held, and the sums of keys, teams and organisation are one. @returns that sum */
  balance(): Promise<number>;
  /**
   * Each team has used what its process says; at most the charges more of reservations whose caller was told that they
   * failed, since they may have been made.
   */
  expectTallies(children?: readonly Child[]): Promise<readonly Tally[]>;
}

/** Starts the processes, and the sampler. */
export async function startLoad(store: LoadedStore, load: Load): Promise<RunningLoad> {
  const { amount, slots } = load;
  const children = teams.map((team) =>
    startChild(
      'ledger-load-worker.ts',
      [store.backend, store.place, team, load].map((part) => JSON.stringify(part)),
    ),
  );
  atEnd(async () => {
    for (const child of children) child.process.kill('SIGKILL');
    await Promise.all(children.map(({ ended }) => ended));
  });
  for (const child of children) expect(await child.line()).toBe('ready');
  const samples = startSampler(store, load);

  const read = (keys: readonly string[]) =>
    store.ledger.peek(
      keys.map((key): ReadScope => ({ key, amount, span: key.startsWith('team') ? rolling : forever })),
    );
  const usedOf = async (key: string) => (await read([key]))[0]?.used ?? 0;
  const tallyOf = async (child: Child) => JSON.parse((await child.line()) ?? '') as Tally;

  async function balance(): Promise<number> {
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
      await store.check?.();
      return used(['organisation']);
    });
  }

  return {
    ...{ children, samples, usedOf, tallyOf, balance },
    until: (used) => eventually(async () => expect(await usedOf('organisation')).toBeGreaterThan(used)),
    async expectTallies(asked = children) {
      const tallies = await Promise.all(asked.map(tallyOf));
      await balance();
      expect(samples.count).toBeGreaterThan(50);
      expect(samples.mostOver).toBeLessThanOrEqual(0);
      expect(samples.mostSlotsOver, `of ${slots} slots`).toBeLessThanOrEqual(0);
      for (const [at, tally] of tallies.entries()) {
        expect(tally).toMatchObject({ pending: 0, givenUp: 0 });
        const team = teams[children.indexOf(asked[at] as Child)];
        const used = await usedOf(`team ${team}`);
        expect(used).toBeGreaterThanOrEqual(tally.used);
        expect(used).toBeLessThanOrEqual(tally.used + tally.uncertain);
      }
      return tallies;
    },
  };
}

function startSampler(store: LoadedStore, { amount, slots }: Load): RunningLoad['samples'] {
  const samples = { count: 0, mostOver: -Infinity, mostSlotsOver: -Infinity };
  let isSampling = true;
  const sampling = (async () => {
    while (isSampling) {
      const sample = await store.sample();
      if (sample) {
        samples.count++;
        samples.mostOver = Math.max(samples.mostOver, sample.most - amount);
        samples.mostSlotsOver = Math.max(samples.mostSlotsOver, sample.slots - slots);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  atEnd(async () => {
    isSampling = false;
    await sampling;
  });
  return samples;
}

/** Two of four processes are killed in the middle: their holds come back, and the limit is met and never exceeded. */
export async function killTwo(store: LoadedStore, load: Load): Promise<void> {
  const running = await startLoad(store, load);
  const [first, second, ...killed] = running.children as [Child, Child, Child, Child];
  await running.until(load.amount / 10);
  for (const child of killed) child.process.kill('SIGKILL');
  for (const tally of await running.expectTallies([first, second])) {
    expect(tally.failed).toBe(0);
    expect(tally.denied).toBeGreaterThan(0);
  }
  expect(await running.balance()).toBeLessThanOrEqual(load.amount);
  // by what was used and held together: what the killed held comes back when the others may have asked for the last time
  expect(running.samples.mostOver, 'the limit was met').toBeGreaterThan(-100);
}

/** The server stands still in the middle. */
export async function standStill(
  store: LoadedStore,
  load: Load,
  server: { freeze(): Promise<unknown>; thaw(): Promise<unknown> },
  forMs: number,
): Promise<void> {
  const running = await startLoad(store, load);
  await running.until(2_000);
  await server.freeze();
  await new Promise((resolve) => setTimeout(resolve, forMs));
  await server.thaw();
  for (const { failed } of await running.expectTallies()) {
    expect(failed, 'it was met by the standstill').toBeGreaterThan(0);
  }
}
