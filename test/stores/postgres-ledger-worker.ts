import type { LedgerScope, Span } from '../../src/limits/ledger.ts';
import { createPostgresStores } from '../../src/stores/postgres/postgres-stores.ts';

/**
 * A node with so many clients that reserve and settle for a while and are as bad as clients are: 5 % of the reservations
 * are made twice at once, 10 % of the settlements twice with other amounts, 10 % never. Prints `ready`, and at the end
 * what it has used.
 */
const [url = '', schema = '', team = '', clients = '', rounds = '', ...rest] = process.argv.slice(2);
const [leaseMs = '', amount = '', slots = '', deadlineMs = ''] = rest;
const stores = createPostgresStores({
  connectionString: url,
  schema,
  migrate: false,
  ledger: { deadlineMs: Number(deadlineMs) },
});
const { ledger } = stores;

const forever: Span = { bucket: 0, buckets: [0], fromMs: 0, untilMs: Infinity, forgetMs: Infinity };
const century = Date.UTC(2200);
const rolling: Span = { bucket: 3, buckets: [1, 2, 3], fromMs: 3, untilMs: century, forgetMs: century };
const toScope = (key: string, limit: number, hold: number, charge: number, span = forever): LedgerScope => ({
  key,
  amount: limit,
  hold,
  charge,
  mode: 'block',
  span,
});

const tally = { used: 0, uncertain: 0, granted: 0, denied: 0, failed: 0, ms: 0, pending: 0, givenUp: 0 };
const again: Promise<void>[] = [];
const took: number[] = [];
const startMs = performance.now();

async function cycle(id: string, key: string): Promise<void> {
  const hold = Math.floor(Math.random() * 100);
  const charge = Math.floor(hold / 2);
  const scopes = [
    toScope(key, Number(amount), hold, charge),
    toScope(`team ${team}`, Number(amount), hold, charge, rolling),
    toScope('organisation', Number(amount), hold, charge),
    toScope('slots', Number(slots), 1, 0),
  ];
  if (Math.random() < 0.5) scopes.reverse();
  const inOrder = (used: number) => scopes.map((scope) => (scope.key === 'slots' ? 0 : used));
  const reserve = () => ledger.reserve(id, scopes, Number(leaseMs));
  let kind: string;
  const sentMs = performance.now();
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
  } finally {
    took.push(performance.now() - sentMs);
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
  const settled = ledger.settle(id, inOrder(used));
  if (Math.random() < 0.1) again.push(settled.then(() => ledger.settle(id, inOrder(99))));
}

async function client(number: number): Promise<void> {
  for (let round = 0; round < Number(rounds); round++) {
    await cycle(`${team}-${number}-${round}`, `key ${team} ${number % 5}`);
  }
}

// waits and repetitions of the stores keep no process alive: a server does, or this
setInterval(() => undefined, 60_000);
console.log('ready');
await Promise.all(Array.from({ length: Number(clients) }, (_, number) => client(number)));
tally.ms = performance.now() - startMs;
await Promise.all(again);
await stores.close();
const { pendingSettlements, givenUpSettlements } = ledger.state();
took.sort((one, other) => one - other);
const quantile = (share: number) => took[Math.floor(took.length * share)];
const figures = { p50: quantile(0.5), p99: quantile(0.99) };
console.log(
  JSON.stringify({ ...tally, ...figures, pending: pendingSettlements, givenUp: givenUpSettlements }),
);
process.exit();
