import { describe, expect, it } from 'vitest';
import { ledgerContract } from '../../src/testing/contracts/ledger.ts';
import { createFaultyHarness } from './faulty-ledger.ts';
import { contractOfLedger } from './ledger-contract.ts';
import { mutants } from './ledger-mutants.ts';

describe('the contract of ledgers', () => {
  describe('over a store that breaks and freezes', () => contractOfLedger(() => createFaultyHarness()));

  it('has cases with names of their own', () => {
    expect(new Set(ledgerContract.map(({ name }) => name)).size).toBe(ledgerContract.length);
  });

  it.each(mutants)('fails on a ledger that %s', async (_, failing, wrap) => {
    const failed: string[] = [];
    for (const { name, run } of ledgerContract) {
      await run(createFaultyHarness(wrap)).catch(() => failed.push(name));
    }
    expect(failed).toEqual(expect.arrayContaining([expect.stringContaining(failing)]));
  });

  it('fails on two ledgers that do not share what they hold', async () => {
    const failed: string[] = [];
    for (const { name, needs = [], run } of ledgerContract) {
      if (!needs.includes('second')) continue;
      const apart = createFaultyHarness();
      await run({ ...createFaultyHarness(), second: () => apart.ledger }).catch(() => failed.push(name));
    }
    expect(failed).toEqual(
      ledgerContract.filter(({ needs }) => needs?.includes('second')).map(({ name }) => name),
    );
  });
});
