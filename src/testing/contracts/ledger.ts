import { ledgerBucketCases } from './ledger-buckets.ts';
import type { LedgerCase } from './ledger-case.ts';
import { ledgerFaultCases } from './ledger-faults.ts';
import { ledgerInputCases } from './ledger-input.ts';
import { ledgerLeaseCases } from './ledger-leases.ts';
import { ledgerNodeCases } from './ledger-nodes.ts';
import { ledgerRepeatCases } from './ledger-repeats.ts';
import { ledgerReserveCases } from './ledger-reserve.ts';
import { ledgerResetCases } from './ledger-reset.ts';
import { ledgerSettleCases } from './ledger-settle.ts';
import { ledgerTimeCases } from './ledger-time.ts';

export type { LedgerCase, LedgerHarness, LedgerNeed } from './ledger-case.ts';

/**
 * What every `Ledger` must do, for any test runner: each case takes a fresh, empty ledger. Skip a case only for a need
 * that the ledger or its harness cannot meet, and state the reason in your test.
 */
export const ledgerContract: readonly LedgerCase[] = [
  ...ledgerReserveCases,
  ...ledgerRepeatCases,
  ...ledgerSettleCases,
  ...ledgerInputCases,
  ...ledgerTimeCases,
  ...ledgerResetCases,
  ...ledgerBucketCases,
  ...ledgerLeaseCases,
  ...ledgerNodeCases,
  ...ledgerFaultCases,
];
