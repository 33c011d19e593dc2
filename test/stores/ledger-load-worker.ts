import type { Ledger, LedgerScope, Span } from '../../src/limits/ledger.ts';
import { forever } from '../../src/limits/window-span.ts';
import { createPostgresStores } from '../../src/stores/postgres/postgres-stores.ts';
import { createSqliteStores } from '../../src/stores/sqlite/sqlite-stores.ts';
import type { Backend, Load, Tally } from './ledger-load.ts';
import { openLedger } from './redis-ledger-fixture.ts';

/**
 * A node with clients that reserve and settle for a while and are as bad as clients are: 5 % of the reservations are made
 * twice at once, 10 % of the settlements twice with other amounts, 10 % never. Prints `ready`, and at the end what it has
 * used.
 */
const [backend, place, team, load] = process.argv.slice(2).map((text) => JSON.parse(text)) as [
  Backend,
  Record<string, string>,
  string,
  Load,
];
const { clients, rounds, leaseMs, amount, slots, deadlineMs } = load;

type Stated = Ledger & {
  state(): { readonly pendingSettlements: number; readonly givenUpSettlements: number };
};

async function open(): Promise<{ readonly ledger: Stated; close(): Promise<void> }> {
  const { url = '', file = '', ...rest } = place;
  const ledger = { deadlineMs };
  if (backend === 'redis') return openLedger(url, { ...rest, ledger });
  if (backend === 'postgres') {
    return createPostgresStores({ connectionString: url, ...rest, migrate: false, ledger });
  }
  const stores = createSqliteStores({ file, ledger, busyTimeoutMs: deadlineMs });
  await stores.migrate();
  return stores;
}

const century = Date.UTC(2200);
const rolling: Span = { bucket: 3, buckets: [1, 2, 3], fromMs: 3, untilMs: century, forgetMs: century };
const toScope = (key: string, hold: number, charge: number, span = forever): LedgerScope => ({
  ...{ key, amount, hold, charge, mode: 'block', span },
});

const { ledger, close } = await open();
const tally: { -readonly [Name in keyof Tally]: number } = {
  ...{ used: 0, uncertain: 0, granted: 0, denied: 0, failed: 0, pending: 0, givenUp: 0 },
};
const again: Promise<void>[] = [];

async function cycle(id: string, key: string): Promise<void> {
  const hold = Math.floor(Math.random() * 100);
  // all of it: what a busy machine settles only after the lease must not be more than was charged for it
  const charge = hold;
  const scopes = [
    toScope(key, hold, charge),
    toScope(`team ${team}`, hold, charge, rolling),
    toScope('organisation', hold, charge),
    { ...toScope('slots', 1, 0), amount: slots },
  ];
  if (Math.random() < 0.5) scopes.reverse();
  const inOrder = (used: number) => scopes.map((scope) => (scope.key === 'slots' ? 0 : used));
  const reserve = () => ledger.reserve(id, scopes, leaseMs);
  let kind: string;
  try {
    const isTwice = Math.random() < 0.05;
    const answers = await Promise.all(isTwice ? [reserve(), reserve()] : [reserve()]);
    kind = answers[0]?.kind ?? '';
    if (answers.some((other) => other.kind !== kind)) throw new Error('two answers for one id');
  } catch {
    // it may be held, and is charged then
    tally.failed++;
    tally.uncertain += charge;
    return;
  }
  if (kind !== 'granted') {
    tally.denied++;
    return;
  }
  tally.granted++;
  if (Math.random() < 0.1) {
    tally.used += charge;
    return;
  }
  await new Promise((resolve) => setImmediate(resolve));
  const used = Math.floor(Math.random() * (hold + 1));
  tally.used += used;
  const settled = Promise.resolve(ledger.settle(id, inOrder(used)));
  if (Math.random() < 0.1) again.push(settled.then(() => ledger.settle(id, inOrder(99))));
}

async function client(number: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await cycle(`${team}-${number}-${round}`, `key ${team} ${number % 5}`);
  }
}

// waits and repetitions of the stores keep no process alive: a server does, or this
setInterval(() => undefined, 60_000);
console.log('ready');
await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
await Promise.all(again);
await close();
const { pendingSettlements, givenUpSettlements } = ledger.state();
console.log(JSON.stringify({ ...tally, pending: pendingSettlements, givenUp: givenUpSettlements }));
process.exit();
