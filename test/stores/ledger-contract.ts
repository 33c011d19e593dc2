import { type LedgerHarness, type LedgerNeed, ledgerContract } from '../../src/testing/contracts/ledger.ts';
import { toDeclare } from './declare-cases.ts';

/** A fresh, empty ledger, and what closes everything that was opened for it. */
export interface OpenLedgerHarness extends LedgerHarness {
  /** Called when the case has ended, however it did. */
  readonly close?: () => Promise<void>;
}

/**
 * Declares the cases of the ledgers' contract over a ledger. Cases whose needs stand in `without` are left out, each
 * shown with the reason.
 *
 * @example
 * describe('the memory ledger', () => contractOfLedger(createHarness, { freeze: 'nothing to freeze in one process' }));
 */
export function contractOfLedger(
  create: (needs: readonly LedgerNeed[]) => OpenLedgerHarness | Promise<OpenLedgerHarness>,
  without: Partial<Record<LedgerNeed, string>> = {},
  timeoutMs = 120_000,
): void {
  const declare = toDeclare(create, without, timeoutMs);
  for (const { name, needs = [], run } of ledgerContract) declare(name, needs, run);
}
