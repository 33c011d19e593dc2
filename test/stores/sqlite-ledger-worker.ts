import type { LedgerScope } from '../../src/limits/ledger.ts';
import { createSqliteStores } from '../../src/stores/sqlite/sqlite-stores.ts';

/**
 * A node with clients that reserve and settle for a while and are as bad as clients are: 5 % of the reservations are made
 * twice at once, 10 % of the settlements twice with other amounts, 10 % never. Prints `ready`, and at the end what it has
 * used of its team, and how long its cycles took.
 */
const [file = '', team = '', clients = '', rounds = '', leaseMs = '', amount = ''] = process.argv.slice(2);
const { ledger, migrate, close } = createSqliteStores({
  file,
  ledger: { deadlineMs: 20_000 },
  busyTimeoutMs: 20_000,
});
await migrate();

const toScope = (key: string, limit: number, hold: number, charge: number): LedgerScope => ({
  ...{ key, amount: limit, hold, charge, mode: 'block' },
  span: { bucket: 0, buckets: [0], fromMs: 0, untilMs: Infinity, forgetMs: Infinity },
});

const tally = { used: 0, granted: 0, denied: 0, ms: 0 };
const took: number[] = [];

async function cycle(id: string, key: string): Promise<void> {
  const hold = Math.floor(Math.random() * 100);
  const charge = Math.floor(hold / 2);
  const scopes = [
    ...[key, `team ${team}`, 'organisation'].map((name) => toScope(name, Number(amount), hold, charge)),
    toScope('slots', 1_000, 1, 0),
  ];
  const startMs = performance.now();
  const reserve = () => ledger.reserve(id, scopes, Number(leaseMs));
  const [first, second] = await Promise.all([reserve(), Math.random() < 0.05 ? reserve() : undefined]);
  took.push(performance.now() - startMs);
  if (second && second.kind !== first.kind) throw new Error('two answers for one id');
  if (first.kind !== 'granted') {
    tally.denied++;
    return;
  }
  tally.granted++;
  if (Math.random() < 0.1) {
    tally.used += charge;
    return;
  }
  const used = Math.floor(Math.random() * (hold + 1));
  tally.used += used;
  await ledger.settle(id, [used, used, used, 0]);
  if (Math.random() < 0.1) await ledger.settle(id, [99, 99, 99, 99]);
}

console.log('ready');
const beginMs = performance.now();
await Promise.all(
  Array.from({ length: Number(clients) }, async (_, client) => {
    for (let round = 0; round < Number(rounds); round++)
      await cycle(`${team}-${client}-${round}`, `key ${team} ${client % 5}`);
  }),
);
tally.ms = performance.now() - beginMs;
const { pendingSettlements, givenUpSettlements } = ledger.state();
await close();
took.sort((one, other) => one - other);
const quantile = (part: number) => took[Math.min(took.length - 1, Math.floor(took.length * part))];
const latency = { p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) };
console.log(JSON.stringify({ ...tally, pendingSettlements, givenUpSettlements, latency }));
