import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/errors.ts';
import { Account, type Settled } from '../../src/limits/account.ts';
import { everyToken } from '../../src/limits/count-tokens.ts';
import { endHoldsWhenEnded, settleWhenEnded } from '../../src/limits/settle-when-ended.ts';
import type { Untold } from '../../src/limits/untold.ts';
import { createDraft } from '../../src/telemetry/record.ts';

describe('an account', () => {
  it('settles once, with what came first', () => {
    const posted: unknown[] = [];
    const ledger = { settle: (...posting: unknown[]) => void posted.push(posting) };
    const limit = { unit: 'requests' };
    const account = new Account({
      id: 'r1',
      applied: { limits: [limit], scopes: [{ key: 'a', hold: 1, charge: 1 }] } as never,
      price: undefined,
      inputTokens: 5,
      untold: { outputTokens: 0, bytesPerToken: 0, goesOn: false },
      record: createDraft(),
    });
    const settle = () => account.settle(ledger as never, { kind: 'aborted' }, () => undefined);
    expect([settle(), settle()]).toEqual([[1], undefined]);
    expect(posted).toEqual([['r1', [1]]]);
  });

  it.each([
    ['nothing is missing', { inputTokens: 7, outputTokens: 2 }, 9, 'reported'],
    ['the output', { inputTokens: 7 }, 7 + 100, 'estimated'],
    ['the input', { outputTokens: 2 }, 5 + 2, 'estimated'],
  ])('fills in of a usage what the provider did not tell: %s', (_, told, used, source) => {
    const limit = { unit: 'tokens', tokens: everyToken, mode: 'block' };
    const record = createDraft();
    const account = new Account({
      id: 'r1',
      applied: { limits: [limit], scopes: [{ key: 'a', hold: 1, charge: 1 }] } as never,
      price: undefined,
      inputTokens: 5,
      untold: { outputTokens: 500, bytesPerToken: 4, goesOn: false },
      record,
    });
    const usage = { ...told, source: 'reported' } as const;
    const ended = { kind: 'complete', replyBytes: 400, usage } as const;
    expect(account.settle({ settle: () => undefined } as never, ended, () => undefined)).toEqual([used]);
    expect(record.usage?.source).toBe(source);
  });

  // 5 tokens of input; the output is not told: 4 bytes a token, 500 tokens at the most
  it.each<[string, Settled, Partial<Untold> & { readonly mayHaveCost?: boolean }, number]>([
    ['nothing of what was not sent', { kind: 'unsent' }, { mayHaveCost: true, goesOn: true }, 0],
    ['nothing of a refusal', { kind: 'refused' }, {}, 0],
    ['nothing of what was not delivered', { kind: 'undelivered' }, { goesOn: true }, 0],
    ['nothing where the caller left before', { kind: 'left' }, { goesOn: true }, 0],
    ['the input of a refusal that followed an attempt', { kind: 'refused' }, { mayHaveCost: true }, 5],
    ['the input where an attempt may have cost', { kind: 'undelivered' }, { mayHaveCost: true }, 5],
    ['no output where nobody goes on', { kind: 'left' }, { mayHaveCost: true }, 5],
    ['all output where the provider goes on', { kind: 'left' }, { mayHaveCost: true, goesOn: true }, 505],
    ['no output of a failure, which no provider ends', { kind: 'failed' }, { goesOn: true }, 5],
    ['no output of an abort', { kind: 'aborted', replyBytes: 400 }, {}, 5],
    ['all output of an abort where the provider goes on', { kind: 'aborted' }, { goesOn: true }, 505],
    ['the output by its bytes', { kind: 'complete', replyBytes: 401 }, {}, 5 + 101],
    ['no more output than there may be', { kind: 'complete', replyBytes: 9_999 }, {}, 505],
    ['all output where bytes tell nothing', { kind: 'complete', replyBytes: 4 }, { bytesPerToken: 0 }, 505],
    ['what an abort reports', { kind: 'aborted', usage: usageOf('reported') }, { goesOn: true }, 9],
    ['what an abort had, and all', { kind: 'aborted', usage: usageOf('estimated') }, { goesOn: true }, 507],
  ])('counts %s', (_, ended, { mayHaveCost = false, ...untold }, used) => {
    const limit = { unit: 'tokens', tokens: everyToken, mode: 'block' };
    const account = new Account({
      id: 'r1',
      applied: { limits: [limit], scopes: [{ key: 'a', hold: 1, charge: 1 }] } as never,
      price: undefined,
      inputTokens: 5,
      untold: { outputTokens: 500, bytesPerToken: 4, goesOn: false, ...untold },
      record: createDraft(),
    });
    if (mayHaveCost) account.countInput();
    expect(account.settle({ settle: () => undefined } as never, ended, () => undefined)).toEqual([used]);
  });

  it.each([
    ['whose caller left: the provider goes on', new GatewayError('caller_gone', 'gone'), 505],
    ['whose provider failed', new GatewayError('upstream_unreachable', 'down'), 5],
    ['whose stage threw', new TypeError('a mistake'), 5],
  ])('is settled with what an attempt may have cost by an error: one %s', async (_, error, used) => {
    const posted: unknown[] = [];
    const limit = { unit: 'tokens', tokens: everyToken, mode: 'block', thresholds: [] };
    const account = new Account({
      id: 'r1',
      applied: { limits: [limit], scopes: [{ key: 'a', hold: 1, charge: 1 }] } as never,
      price: undefined,
      inputTokens: 5,
      untold: { outputTokens: 500, bytesPerToken: 4, goesOn: true },
      record: createDraft(),
    });
    account.countInput();
    const ledger = { settle: (_id: string, amounts: unknown) => void posted.push(amounts) };
    const parts = {
      ledger,
      leases: { remove: () => undefined },
      thresholds: undefined,
      onLimit: () => undefined,
    };
    const ended: Settled[] = [];
    const holds = { end: (settled: Settled) => void ended.push(settled) };
    await expect(settleWhenEnded(parts as never, account, {}, Promise.reject(error))).rejects.toThrow(
      error.message,
    );
    await expect(endHoldsWhenEnded(holds as never, Promise.reject(error))).rejects.toBe(error);
    expect(posted).toEqual([[used]]);
    expect(ended).toEqual([{ kind: used === 505 ? 'left' : 'undelivered' }]);
  });

  it('tells while it runs what would be counted, and never less than its charge', () => {
    const limit = { unit: 'tokens', tokens: everyToken, mode: 'block' };
    const accountOf = (goesOn: boolean) =>
      new Account({
        id: 'r1',
        applied: { limits: [limit], scopes: [{ key: 'a', hold: 1, charge: 8 }] } as never,
        price: undefined,
        inputTokens: 5,
        untold: { outputTokens: 500, bytesPerToken: 4, goesOn },
        record: createDraft(),
      });
    const [account, goingOn] = [accountOf(false), accountOf(true)];
    expect([account.accrued(), goingOn.accrued()]).toEqual([[8], [505]]);
    const usage = usageOf('estimated');
    account.watch({ usage: () => usage });
    expect(account.accrued()).toEqual([9]);
    usage.outputTokens = 0;
    expect(account.accrued()).toEqual([8]);
  });
});

function usageOf(source: 'reported' | 'estimated') {
  return { inputTokens: 7, outputTokens: 2, source };
}
