import { createMemoryLedger, type Ledger, type LedgerScope } from 'headgate';
import { createVirtualRuntime, type VirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { Account } from '../../src/limits/account.ts';
import { createLeases } from '../../src/limits/leases.ts';
import { createDraft } from '../../src/telemetry/record.ts';
import { chat, startGateway, until } from '../harness.ts';
import { type Limits, limited } from './limited-gateway.ts';

const tokens: Limits = [{ unit: 'tokens', amount: 100_000, window: '1d' }];

/** A ledger that notes its renewals, and what it holds. */
function createRenewedLedger(runtime: VirtualRuntime) {
  const inner = createMemoryLedger(runtime);
  const renewals: { readonly id: string; readonly charges: readonly number[] | undefined }[] = [];
  const reserved = new Map<string, LedgerScope>();
  const holds: number[] = [];
  const charges: number[] = [];
  const ledger: Ledger = {
    ...inner,
    reserve(id, scopes, leaseMs) {
      for (const scope of scopes) {
        reserved.set(scope.key, scope);
        holds.push(scope.hold);
        charges.push(scope.charge);
      }
      return inner.reserve(id, scopes, leaseMs);
    },
    renew(id, leaseMs, given) {
      renewals.push({ id, charges: given });
      return inner.renew(id, leaseMs, given);
    },
  };
  const read = () => inner.peek([...reserved.values()]);
  return { ledger, renewals, read, holds, charges };
}

/** Without limits, so that nothing but its lease is looked at. */
const createAccount = () =>
  new Account({
    id: 'one',
    applied: { limits: [], scopes: [] },
    price: undefined,
    inputTokens: 1,
    untold: { outputTokens: 0, bytesPerToken: 0, goesOn: false },
    record: createDraft(),
  });

describe('a running request', () => {
  it('holds its input and all of its output, and is charged with its input alone when nothing is heard', async () => {
    const runtime = createVirtualRuntime();
    const { ledger, holds, charges } = createRenewedLedger(runtime);
    const { send } = await startGateway(limited(...tokens, { unit: 'usd', amount: 9, window: '1d' }), {
      runtime,
      ledger,
    });
    await send('/v1/chat/completions', chat({ max_tokens: 500 }));
    const [input, inputCost] = charges as [number, number];
    expect(holds).toEqual([input + 500, inputCost + 500 * 8_000]);
    expect(inputCost).toBe(input * 2_000);
  });

  it('renews its lease every ten seconds, all with one timer, and tells what has accrued', async () => {
    const runtime = createVirtualRuntime();
    const { ledger, renewals, charges } = createRenewedLedger(runtime);
    const { send } = await startGateway(limited(...tokens), { runtime, ledger, limits: { nodes: 1 } });
    const before = runtime.pending;
    const streams = [];
    for (let index = 0; index < 5; index++) {
      const reply = await send('/v1/chat/completions', chat({ stream: true }));
      const iterator = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      await iterator.next();
      streams.push(iterator);
    }
    // what watched for their first tokens ends with its next tick
    await runtime.advanceAsync(100);
    expect(runtime.pending - before).toBeLessThanOrEqual(1);
    await runtime.advanceAsync(35_000);
    expect(renewals).toHaveLength(15);
    expect(new Set(renewals.map(({ id }) => id)).size).toBe(5);
    for (const { charges: told } of renewals) expect(told?.[0]).toBeGreaterThan(charges[0] as number);
    for (const iterator of streams) await iterator.return?.();
    await runtime.advanceAsync(35_000);
    expect(renewals).toHaveLength(15);
    expect(runtime.pending).toBe(before);
  });

  it('of a process that died counts what was reported last, after its lease', async () => {
    const runtime = createVirtualRuntime();
    const { ledger, renewals, read } = createRenewedLedger(runtime);
    const { send } = await startGateway(limited(...tokens), { runtime, ledger, limits: { nodes: 1 } });
    const reply = await send('/v1/chat/completions', chat({ stream: true, max_tokens: 5_000 }));
    const iterator = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await iterator.next();
    await runtime.advanceAsync(12_000);
    expect(renewals).toHaveLength(1);
    const accrued = renewals[0]?.charges?.[0];
    expect((await read())[0]).toMatchObject({ used: 0 });
    // the clock goes on and nobody renews, as when the process is gone
    runtime.shiftClock(31_000);
    expect((await read())[0]).toMatchObject({ used: accrued, held: 0 });
    await iterator.return?.();
  });

  it('that loses its lease runs on, is reported once, and is counted at its end all the same', async () => {
    const runtime = createVirtualRuntime();
    const lost: string[] = [];
    const ledger = { ...createMemoryLedger(runtime), renew: () => false };
    const account = createAccount();
    const leases = createLeases({ ledger, leaseMs: 30_000, renewMs: 10_000, onLost: (id) => lost.push(id) });
    leases.add(account, runtime);
    runtime.advance(60_000);
    expect([lost, leases.size, runtime.pending]).toEqual([['one'], 0, 0]);
  });

  it('whose renewal fails is tried again, and nothing is left unhandled', async () => {
    const runtime = createVirtualRuntime();
    const told: unknown[] = [];
    const down = new Error('down');
    const answers: (() => boolean | Promise<boolean>)[] = [
      () => Promise.reject(down),
      () => {
        throw down;
      },
      () => Promise.resolve(true),
    ];
    let asked = 0;
    const ledger: Ledger = {
      ...createMemoryLedger(runtime),
      renew: () => (answers[asked++] as () => boolean | Promise<boolean>)(),
    };
    const account = createAccount();
    const leases = createLeases({
      ledger,
      leaseMs: 30_000,
      renewMs: 10_000,
      onLost: (_, cause) => told.push(cause),
    });
    leases.add(account, runtime);
    await runtime.advanceAsync(30_000);
    leases.remove(account);
    expect([asked, told]).toEqual([3, [down, down]]);
  });

  it('leaves the same numbers in its record as in the ledger when its caller leaves early', async () => {
    const runtime = createVirtualRuntime();
    const { ledger, read } = createRenewedLedger(runtime);
    const { send, gateway } = await startGateway(
      limited(...tokens),
      { runtime, ledger, limits: { nodes: 1 } },
      { chunkDelayMs: 20 },
    );
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    const iterator = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.return?.();
    await until(() => gateway.records.length === 1);
    const usage = gateway.records[0]?.usage;
    expect(usage?.source).toBe('estimated');
    expect((await read())[0]).toMatchObject({
      used: (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0),
      held: 0,
    });
  });

  it('leaves the estimate that is counted in its record when its caller left before anything came', async () => {
    const runtime = createVirtualRuntime();
    const { ledger, read } = createRenewedLedger(runtime);
    const { send, gateway, upstream } = await startGateway(limited(...tokens), {
      runtime,
      ledger,
      limits: { nodes: 1 },
    });
    upstream.fail({ kind: 'stall' });
    const controller = new AbortController();
    const waiting = send('/v1/chat/completions', chat(), { signal: controller.signal });
    await until(() => upstream.requests.length === 1);
    controller.abort();
    expect((await waiting).status).toBe(499);
    await until(() => gateway.records.length === 1);
    const usage = gateway.records[0]?.usage;
    expect(usage).toMatchObject({ source: 'estimated', outputTokens: 0 });
    expect((await read())[0]?.used).toBe(usage?.inputTokens);
  });
});

describe('the options of rateLimit', () => {
  it('are checked when it is made', async () => {
    const { rateLimit } = await import('../../src/stages/rate-limit.ts');
    const ledger = createMemoryLedger(createVirtualRuntime());
    for (const options of [{ leaseMs: 0 }, { leaseMs: 1.5 }, { renewMs: 0 }, { leaseMs: 100, renewMs: 51 }]) {
      expect(() => rateLimit({ ledger, ...options })).toThrow(TypeError);
    }
  });
});
