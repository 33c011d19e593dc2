import type { Ledger } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { createMemoryLedger } from '../../src/stores/memory/memory-ledger.ts';
import type { LedgerHarness } from '../../src/testing/contracts/ledger.ts';

const deadlineMs = 20;

/**
 * A ledger on a virtual clock whose store can break and freeze, and two of which share one store. `wrap` makes every one
 * of them wrong; `isAway` tells whether the store answers.
 */
export function createFaultyHarness(
  wrap: (ledger: Ledger, isAway: () => boolean) => Ledger = (ledger) => ledger,
): LedgerHarness {
  const runtime = createVirtualRuntime();
  const memory = createMemoryLedger(runtime);
  let fault: 'none' | 'broken' | 'frozen' = 'none';
  const asked = async <Value>(call: () => Value): Promise<Value> => {
    if (fault === 'broken') throw new Error('the store is broken');
    if (fault === 'frozen') {
      await new Promise((resolve) => setTimeout(resolve, deadlineMs));
      throw new Error(`the store has not answered for ${deadlineMs} ms`);
    }
    return call();
  };
  const open = () =>
    wrap(
      {
        nowMs: memory.nowMs,
        reserve: (id, scopes, leaseMs) => asked(() => memory.reserve(id, scopes, leaseMs)),
        renew: (id, leaseMs, charges) => asked(() => memory.renew(id, leaseMs, charges)),
        settle: (id, used) => asked(() => memory.settle(id, used)),
        peek: (scopes) => asked(() => memory.peek(scopes)),
      },
      () => fault !== 'none',
    );
  const begin = (kind: 'broken' | 'frozen') => () => {
    fault = kind;
    return () => {
      fault = 'none';
    };
  };
  return {
    ledger: open(),
    second: open,
    now: runtime.now,
    advance: (ms) => runtime.advance(ms),
    breakStore: begin('broken'),
    freeze: begin('frozen'),
    deadlineMs: 200,
  };
}
