import assert from 'node:assert/strict';
import type { Ledger } from '../../limits/ledger.ts';
import {
  briefMs,
  expectFigures,
  granted,
  type LedgerCase,
  type LedgerHarness,
  leaseMs,
  scope,
  soon,
} from './ledger-case.ts';
import { eventually, lateness, partOf, rejectsWithin } from './store-case.ts';

const wanted = [scope('k', 1_000, { hold: 100, charge: 0 })];

/** A store that has recovered may first have to notice that its connections are dead. */
const patienceMs = 60_000;

/** What a ledger must do while its store fails or freezes, and afterwards. */
export const ledgerFaultCases: readonly LedgerCase[] = [
  {
    name: 'throws while the store cannot tell, within its deadline, and is exact when it is back',
    needs: ['breakStore'],
    run: (harness) => survives(harness, 'breakStore', 1),
  },
  {
    name: 'throws for each of many concurrent calls while the store cannot tell, and is exact when it is back',
    needs: ['breakStore'],
    run: (harness) => survives(harness, 'breakStore', 20),
  },
  {
    name: 'gives every call up by itself while the store is frozen, and is exact when it has thawed',
    needs: ['freeze'],
    run: (harness) => survives(harness, 'freeze', 5),
  },
];

/** A failed call may still have reached the store: what it then holds ends with its lease. */
async function survives(
  harness: LedgerHarness,
  fault: 'breakStore' | 'freeze',
  width: number,
): Promise<void> {
  const { ledger, deadlineMs = 5_000 } = harness;
  for (const id of ['kept', 'settled']) granted(await ledger.reserve(id, wanted, leaseMs));
  const mend = await partOf(harness, fault)();
  try {
    const calls = Array.from({ length: width }, (_, index) => callsOf(ledger, index)).flat();
    const allowedMs = deadlineMs * lateness;
    await Promise.all([
      ...calls.map(([name, call]) => rejectsWithin(name, call, allowedMs)),
      endsWithin(async () => ledger.settle('settled', [30]), allowedMs),
    ]);
  } finally {
    await mend();
  }
  await eventually(() => ledger.settle('settled', [30]), patienceMs);
  await harness.advance(briefMs);
  await eventually(() => soon(harness, () => expectFigures(ledger, wanted, [[30, 100]])), patienceMs);
  assert.equal(await ledger.renew('kept', leaseMs), true);
  await ledger.settle('kept', [50]);
  await expectFigures(ledger, wanted, [[80, 0]]);
}

function callsOf(ledger: Ledger, index: number): readonly (readonly [string, () => Promise<unknown>])[] {
  return [
    ['reserve', async () => ledger.reserve(`lost ${index}`, wanted, briefMs)],
    ['renew', async () => ledger.renew('kept', leaseMs)],
    ['renew of an unknown id', async () => ledger.renew(`unknown ${index}`, leaseMs)],
    ['peek', async () => ledger.peek(wanted)],
  ];
}

/** A settlement may be rejected, or accepted and sent to the store later; it must not hang. */
async function endsWithin(call: () => Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ms, 'late');
  });
  const ended = call().then(
    () => 'ended',
    () => 'ended',
  );
  const end = await Promise.race([ended, late]).finally(() => clearTimeout(timer));
  assert.equal(end, 'ended', `settle has not ended after ${ms} ms`);
}
