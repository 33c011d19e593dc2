import { createMemoryLedger, type Ledger, type ReserveResult } from 'headgate';
import { describe, expect, it } from 'vitest';
import { Account } from '../../src/limits/account.ts';
import { createFailurePolicy } from '../../src/limits/failure/failure-policy.ts';
import { createLeases } from '../../src/limits/leases.ts';
import { createLeasingLedger } from '../../src/limits/leasing/leasing-ledger.ts';
import { type BlockableRuntime, createBlockableRuntime } from './blockable-runtime.ts';
import { scopeOf } from './leasing-network.ts';

/** A ledger elsewhere, which goes on while this process stands still; its answers are read when it runs again. */
function createRemote(runtime: BlockableRuntime, inner: Ledger, wayMs: number): Ledger {
  const send = async <Value>(call: () => Value | Promise<Value>): Promise<Value> => {
    const answer = await call();
    await new Promise<void>((resolve) => void runtime.schedule(wayMs, resolve));
    // what has arrived is read behind the timers
    await new Promise((resolve) => setImmediate(resolve));
    return answer;
  };
  return {
    nowMs: () => inner.nowMs(),
    reserve: (...call) => send(() => inner.reserve(...call)),
    renew: (...call) => send(() => inner.renew(...call)),
    settle: (...call) => send(() => inner.settle(...call)),
    peek: (...call) => send(() => inner.peek(...call)),
  };
}

describe('a process whose event loop stood still for two seconds', () => {
  it('takes no answer of its ledger for late that came in time', async () => {
    const runtime = createBlockableRuntime();
    const ledger = createRemote(runtime, createMemoryLedger(runtime), 20);
    const policy = createFailurePolicy({ ledger, runtime });
    for (let round = 0; round < 5; round++) {
      const asking = Array.from({ length: 20 }, (_, index) =>
        Promise.resolve(policy.reserve(`${round} ${index}`, [scopeOf('k', 1_000, 1)], 30_000)),
      );
      await runtime.run(5);
      runtime.block(2_000);
      const answered = Promise.all(asking);
      await runtime.run(200);
      expect((await answered).map(({ kind }) => kind)).toEqual(new Array(20).fill('granted'));
    }
    expect(policy.report()).toMatchObject({ state: 'healthy', failures: 0, timeouts: 0 });
  });

  it('gives up what does not answer, all the same', async () => {
    const runtime = createBlockableRuntime();
    const silent: Ledger = { ...createMemoryLedger(runtime), reserve: () => new Promise(() => undefined) };
    const policy = createFailurePolicy({ ledger: silent, runtime });
    const asking = Promise.resolve(policy.reserve('one', [scopeOf('k', 1_000, 1)], 30_000));
    asking.catch(() => undefined);
    await runtime.run(5);
    runtime.block(2_000);
    await runtime.run(150);
    await expect(asking).rejects.toThrow('cannot be checked');
  });

  it('still holds what its requests held, and renews it', async () => {
    const runtime = createBlockableRuntime();
    const ledger = createMemoryLedger(runtime);
    const lost: string[] = [];
    const leases = createLeases({ ledger, leaseMs: 30_000, renewMs: 10_000, onLost: (id) => lost.push(id) });
    const scope = { ...scopeOf('k', 100, 60), onFailure: 'closed' as const };
    ledger.reserve('stream', [scope], 30_000);
    leases.add(
      new Account({
        id: 'stream',
        applied: { limits: [], scopes: [scope] },
        price: undefined,
        inputTokens: 0,
        untold: { outputTokens: 0, bytesPerToken: 0, goesOn: false },
        record: { attempts: [] },
      }),
      runtime,
    );
    for (let round = 0; round < 40; round++) {
      runtime.block(2_000);
      await runtime.run(20);
      expect(ledger.peek([scope])).toMatchObject([{ held: 60 }]);
    }
    expect(lost).toEqual([]);
  });

  it('uses no slice whose lease ran out meanwhile, so that what others were granted of it is not granted twice', async () => {
    const runtime = createBlockableRuntime();
    const shared = createMemoryLedger(runtime);
    const leaseMs = 1_000;
    const node = createLeasingLedger({ shared, runtime, leaseMs, maxShare: 1, maxShareOfRest: 1 });
    const scope = scopeOf('k', 1_000, 1, { charge: 0 });
    let granted = 0;
    for (let index = 0; index < 400; index++) {
      const { kind } = await node.reserve(`a ${index}`, [scope], 600_000);
      if (kind === 'granted') granted++;
      await runtime.run(1);
    }
    const slices = node.report().scopes[0];
    expect(slices?.unused).toBeGreaterThan(20);
    runtime.block(2_000);
    // another node comes, before anything runs here
    let others = 0;
    for (let index = 0; index < 1_000; index++) {
      if (shared.reserve(`b ${index}`, [scope], 600_000).kind === 'granted') others++;
    }
    const late: (ReserveResult | Promise<ReserveResult>)[] = [];
    for (let index = 0; index < 100; index++) late.push(node.reserve(`c ${index}`, [scope], 600_000));
    const answered = Promise.allSettled(late);
    await runtime.run(600);
    for (const each of await answered) {
      if (each.status === 'fulfilled' && each.value.kind === 'granted') granted++;
    }
    expect(others).toBeGreaterThan(0);
    // what the node had open when it stood still was counted by the leases of its slices
    const [state] = shared.peek([scope]);
    expect((state?.used ?? 0) + (state?.held ?? 0)).toBeLessThanOrEqual(1_000);
    expect(late.length).toBe(100);
    expect(granted).toBe(400);
  });
});
