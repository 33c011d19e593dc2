import { describe, expect, it } from 'vitest';
import { withFailingSync } from '../servers/strace.ts';
import { startChild } from './child.ts';
import { newFile, withDatabase } from './sqlite-fixture.ts';

const reason = /^SQLite store .*headgate\.db: the disk failed to read or write/;
const refused = expect.stringMatching(reason);

/** What the scenario of the program was told; the database must be whole afterwards. */
// biome-ignore lint/suspicious/noExplicitAny: each scenario prints something else
async function run(scenario: string): Promise<any> {
  const file = newFile();
  const child = startChild(
    'sqlite-sync-program.ts',
    [scenario, file],
    withFailingSync({ good: 150, bad: 4_000 }),
  );
  const line = await child.line();
  expect(await child.ended).toBe(0);
  const check = withDatabase(file, (database) => database.prepare('PRAGMA integrity_check').get());
  expect(check?.integrity_check).toBe('ok');
  return { ...JSON.parse(line as string), file };
}

describe('SQLite on a disk whose fsync fails with EIO', { timeout: 300_000 }, () => {
  it('the stores reject every write, keep what is stored, serve reads, and write when the disk is well', async () => {
    const { before, failed, meanwhile, healed, after } = await run('stores');
    const all = {
      putKey: refused,
      revoke: refused,
      append: refused,
      putSecret: refused,
      removeSecret: refused,
    };
    expect(failed).toEqual([all, all]);
    expect(before).toEqual({ keys: ['Known0000001 1'], config: 1, secrets: ['known'], isRevoked: false });
    expect(meanwhile).toEqual(before);
    expect(healed).toEqual({ putKey: true, revoke: true, append: 2, putSecret: true, removeSecret: true });
    expect(after).toEqual({
      keys: ['Known0000001 2', 'New000000002 1'],
      config: 2,
      secrets: ['new-2'],
      isRevoked: true,
    });
  });

  it('a database that cannot be made says so, and is made when the disk is well', async () => {
    expect(await run('migrate')).toMatchObject({ failed: [refused, refused], put: true });
  });

  it.each(['ledger', 'ledger beside a reader', 'durable'])(
    'the ledger (%s) grants nothing, goes on reading, and is exact when the disk is well',
    async (scenario) => {
      const found = await run(scenario);
      const { granted } = found;
      expect(found).toMatchObject({
        ...{ refusal: refused, renewal: refused, again: refused },
        ...{ pendingSettlements: 1, areSettlementsLate: true },
        meanwhile: { used: 0, held: 1 + granted },
        settled: { used: 7, held: granted },
        after: { used: 7, held: granted + 1 },
      });
      // one that does not wait for the disk notices at its next checkpoint
      expect(granted).toBeLessThanOrEqual(scenario === 'durable' ? 0 : 32);
    },
  );

  it('a gateway refuses what costs money with 503, tells why, knows its keys, and is exact when the disk is well', async () => {
    const found = await run('gateway');
    expect(found).toMatchObject({
      before: '200',
      meanwhile: ['503 store_unavailable limits', '503 store_unavailable limits', '401 invalid_api_key'],
      degraded: ['limits'],
      after: '200',
      events: [expect.stringMatching(/^degraded .*the disk failed to read or write/), 'healthy '],
    });
    expect(found.grantedMeanwhile).toBeLessThanOrEqual(32);
    expect(found.asked).toBe(found.answered);
    const counted = withDatabase(found.file, (database) =>
      database.prepare('SELECT sum(used) AS used, sum(held) AS held FROM headgate_ledger_buckets').get(),
    );
    expect(counted).toEqual({ used: found.costNanoUsd, held: 0 });
  });
});
