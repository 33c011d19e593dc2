import { describe, expect, it } from 'vitest';
import { Account } from '../../src/limits/account.ts';
import { untoldOf } from '../../src/limits/untold.ts';
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
      untold: untoldOf('chat', 0),
      record: createDraft(),
    });
    const settle = () => account.settle(ledger as never, { kind: 'aborted' }, () => undefined);
    expect([settle(), settle()]).toEqual([[1], undefined]);
    expect(posted).toEqual([['r1', [1]]]);
  });
});
