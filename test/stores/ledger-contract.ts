import { afterEach, it } from 'vitest';
import { type LedgerHarness, type LedgerNeed, ledgerContract } from '../../src/testing/contracts/ledger.ts';

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
  create: () => OpenLedgerHarness | Promise<OpenLedgerHarness>,
  without: Partial<Record<LedgerNeed, string>> = {},
  timeoutMs = 20_000,
): void {
  let open: OpenLedgerHarness | undefined;
  afterEach(async () => {
    await open?.close?.();
    open = undefined;
  });

  for (const { name, needs = [], run } of ledgerContract) {
    const reason = needs.map((need) => without[need]).find((text) => text !== undefined);
    if (reason !== undefined) it.skip(`${name} (left out: ${reason})`);
    else {
      it(name, { timeout: timeoutMs }, async () => {
        open = await create();
        await run(open);
      });
    }
  }
}
