import type { LedgerScope, Span } from '../../src/limits/ledger.ts';
import { openLedger } from './redis-ledger-fixture.ts';

/**
 * A node with 50 clients that reserve and settle for a while and are as bad as clients are: 5 % of the reservations are
 * made twice at once, 10 % of the settlements twice with other amounts, 10 % never. Prints `ready`, and at the end what it
 * has used of each of its keys.
 */
const [url = '', installation = '', team = '', rounds = '', ...rest] = process.argv.slice(2);
const [leaseMs = '', amount = '', deadlineMs = '', slots = ''] = rest;
const { ledger, close } = openLedger(url, { installation, ledger: { deadlineMs: Number(deadlineMs) } });

const forever: Span = { bucket: 0, buckets: [0], fromMs: 0, untilMs: Infinity, forgetMs: Infinity };
const toScope = (key: string, limit: number, hold: number, charge: number): LedgerScope => ({
  key,
  amount: limit,
  hold,
  charge,
  mode: 'block',
  span: forever,
});

const tally = { used: 0, uncertain: 0, granted: 0, denied: 0, failed: 0, ms: 0, pending: 0, givenUp: 0 };
const again: Promise<void>[] = [];
const startMs = performance.now();

async function cycle(id: string, key: string): Promise<void> {
  const hold = Math.floor(Math.random() * 100);
  const charge = Math.floor(hold / 2);
  const scopes = [
    toScope(key, Number(amount), hold, charge),
    toScope(`team ${team}`, Number(amount), hold, charge),
    toScope('organisation', Number(amount), hold, charge),
    toScope('slots', Number(slots), 1, 0),
  ];
  const reserve = () => ledger.reserve(id, scopes, Number(leaseMs));
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
  const settled = ledger.settle(id, [used, used, used, 0]);
  if (Math.random() < 0.1) again.push(settled.then(() => ledger.settle(id, [99, 99, 99, 99])));
}

async function client(number: number): Promise<void> {
  for (let round = 0; round < Number(rounds); round++) {
    await cycle(`${team}-${number}-${round}`, `key ${team} ${number % 5}`);
  }
}

console.log('ready');
await Promise.all(Array.from({ length: 50 }, (_, number) => client(number)));
tally.ms = performance.now() - startMs;
await Promise.all(again);
await close();
const { pendingSettlements, givenUpSettlements } = ledger.state();
console.log(JSON.stringify({ ...tally, pending: pendingSettlements, givenUp: givenUpSettlements }));
process.exit();
