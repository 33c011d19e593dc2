import { createVirtualRuntime } from 'headgate/testing';
import { describe } from 'vitest';
import { createFailurePolicy } from '../../src/limits/failure/failure-policy.ts';
import { createLeasingLedger } from '../../src/limits/leasing/leasing-ledger.ts';
import { createMemoryLedger } from '../../src/stores/memory/memory-ledger.ts';
import { contractOfLedger, type OpenLedgerHarness } from '../stores/ledger-contract.ts';

const oneProcess =
  'a memory ledger has no store that could fail or freeze; see leasing-faults and failure-policy';

describe('a leasing ledger over a memory ledger, by the contract of ledgers', () => {
  contractOfLedger(
    (): OpenLedgerHarness => {
      const runtime = createVirtualRuntime();
      const shared = createMemoryLedger(runtime);
      const create = () => createLeasingLedger({ shared, runtime });
      return {
        ledger: create(),
        second: create,
        now: runtime.now,
        advance: (ms) => runtime.advanceAsync(ms),
      };
    },
    {
      exact: 'what one node has in its slices another sees when it is posted',
      breakStore: oneProcess,
      freeze: oneProcess,
    },
  );
});

describe('a failure policy over a memory ledger, by the contract of ledgers', () => {
  contractOfLedger(
    (): OpenLedgerHarness => {
      const runtime = createVirtualRuntime();
      const ledger = createFailurePolicy({ ledger: createMemoryLedger(runtime), runtime });
      return { ledger, second: () => ledger, now: runtime.now, advance: (ms) => runtime.advanceAsync(ms) };
    },
    { breakStore: oneProcess, freeze: oneProcess },
  );
});
