import { describe, expect, it } from 'vitest';
import { Account } from '../../src/limits/account.ts';
import { everyToken } from '../../src/limits/count-tokens.ts';
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
});
