import { DatabaseSync } from 'node:sqlite';
import { createConfigService } from '../../src/config/config-service.ts';
import type { GatewayConfig } from '../../src/config/schema.ts';
import { createKeyService } from '../../src/keys/key-service.ts';
import { createNoPepperRing } from '../../src/keys/no-pepper.ts';
import type { LimitEvent } from '../../src/limits/limit-event.ts';
import { openGateway } from '../../src/open-gateway.ts';
import { createSqliteStores } from '../../src/stores/sqlite/sqlite-stores.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { sampleSecret } from '../../src/testing/contracts/secret-store-samples.ts';
import { createFakeUpstream } from '../../src/testing/index.ts';
import { createFailingDisk } from './failing-disk.ts';
import { scope } from './sqlite-ledger-scope.ts';

/**
 * Uses the SQLite stores on a disk that is well, fails, and is well again; prints what it was told. Each of the scenarios
 * is run by a test in a process of its own, `withFailingSync`.
 */
const [scenario = '', file = ''] = process.argv.slice(2);
// a process that waits in vain must not stay when its test has given it up
setTimeout(() => process.exit(1), 240_000).unref();
const disk = createFailingDisk(file);
const version1 = (kid: string) => ({ ...sampleRecord(kid), version: 1 });

/** What it resolves to, or the message that it rejects with. */
const tell = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: Error) => error.message);

async function until(holds: () => unknown): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

const scenarios: Readonly<Record<string, () => Promise<object>>> = {
  async stores() {
    const { keys, config, secrets, migrate, close } = createSqliteStores({ file });
    const append = (expected: number) =>
      config
        .appendVersion({ author: 'ana', createdAtMs: 1, digest: 'd', config: {} as GatewayConfig }, expected)
        .then((version) => version?.number);
    const writeAll = async (number: number) => ({
      putKey: await tell(keys.putKey(version1(`New00000000${number}`), 0)),
      revoke: await tell(keys.putKey({ ...version1('Known0000001'), revokedAtMs: 9, version: 2 }, 1)),
      append: await tell(append(1)),
      putSecret: await tell(secrets.putSecret(sampleSecret(`new-${number}`), 0)),
      removeSecret: await tell(secrets.removeSecret('known', 1)),
    });
    const readAll = async () => ({
      keys: (await keys.listKeys({})).map(({ kid, version }) => `${kid} ${version}`),
      config: await config.readNumber(),
      secrets: (await secrets.listSecrets({ limit: 9 })).map(({ id }) => id),
      isRevoked: (await keys.findKey('Known0000001'))?.revokedAtMs !== undefined,
    });
    await migrate();
    await keys.putKey(version1('Known0000001'), 0);
    await append(0);
    await secrets.putSecret(sampleSecret('known'), 0);
    const before = await readAll();
    disk.fail();
    const failed = [await writeAll(1), await writeAll(1)];
    const meanwhile = await readAll();
    disk.heal();
    const healed = await writeAll(2);
    const after = await readAll();
    await close();
    return { before, failed, meanwhile, healed, after };
  },

  async migrate() {
    disk.fail();
    const { keys, migrate, close } = createSqliteStores({ file, reopenMs: 0 });
    const failed = [await tell(migrate()), await tell(keys.putKey(version1('Known0000001'), 0))];
    disk.heal();
    const put = await tell(keys.putKey(version1('Known0000001'), 0));
    await close();
    return { failed, put };
  },

  ledger: () => useLedger(false),
  durable: () => useLedger(true),
  'ledger beside a reader': () => useLedger(false, true),

  async gateway() {
    const upstream = await createFakeUpstream();
    const stores = createSqliteStores({ file });
    await stores.migrate();
    const config: GatewayConfig = {
      providers: { openai: { type: 'openai', apiKey: { env: 'PATH' }, baseUrl: `${upstream.url}/v1` } },
      models: { 'gpt-4.1': { targets: ['openai'], price: { input: 2, output: 8 } } },
      profiles: { standard: {} },
      teams: { web: { profile: 'standard', limits: [{ unit: 'usd', amount: 1_000, window: 'lifetime' }] } },
    };
    const peppers = createNoPepperRing();
    await createConfigService({ store: stores.config, keys: stores.keys }).apply(config, { author: 'ana' });
    const keys = createKeyService({ store: stores.keys, peppers });
    const { key } = await keys.create({ team: 'web', owner: 'ana' }, 'ops');
    const { key: unused } = await keys.create({ team: 'web', owner: 'bob' }, 'ops');
    const events: string[] = [];
    const onLimit = (event: LimitEvent) => {
      if (event.kind === 'ledger') events.push(`${event.state} ${(event.cause as Error)?.message ?? ''}`);
    };
    // each request asks the ledger, so that none is let in by a slice of before
    const gateway = await openGateway({ stores, peppers, onLimit, limits: { leasing: false } });
    const body = Buffer.from('{"model":"gpt-4.1","messages":[{"role":"user","content":"hello"}]}');
    const ask = async (credential = key) => {
      const reply = await gateway.handle({
        ...{ method: 'POST', path: '/v1/chat/completions', query: '', signal: new AbortController().signal },
        headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
        readBody: async () => body,
      });
      const chunks: Uint8Array[] = [];
      for await (const chunk of reply.body instanceof Uint8Array ? [reply.body] : reply.body)
        chunks.push(chunk);
      if (reply.status === 200) return '200';
      const { code } = JSON.parse(Buffer.concat(chunks).toString()).error;
      return [reply.status, code, reply.headers['x-headgate-degraded']].join(' ').trim();
    };
    const before = await ask();
    disk.fail();
    const grantedMeanwhile = await countUntil(500, async () => (await ask()) !== '200');
    // the key of somebody who was not here yet is read from the same disk
    const meanwhile = [await ask(), await ask(unused), await ask('hg_live_nonsense')];
    const { degraded } = gateway.health();
    disk.heal();
    await until(async () => (await ask()) === '200');
    await until(() => gateway.health().degraded.length === 0);
    const after = await ask(unused);
    await gateway.close();
    await stores.close();
    const answered = gateway.records.filter(({ status }) => status === 200);
    const costNanoUsd = answered.reduce((sum, record) => sum + (record.costNanoUsd ?? Number.NaN), 0);
    const asked = upstream.requests.length;
    await upstream.close();
    return {
      before,
      grantedMeanwhile,
      meanwhile,
      degraded,
      after,
      events,
      costNanoUsd,
      asked,
      answered: answered.length,
    };
  },
};

/** How many times it was false before it was true; `most` when it never is. */
async function countUntil(most: number, holds: (count: number) => Promise<boolean>): Promise<number> {
  for (let count = 0; count < most; count++) if (await holds(count)) return count;
  return most;
}

async function useLedger(durable: boolean, isReadMeanwhile = false): Promise<object> {
  const { ledger, migrate, close } = createSqliteStores({ file, ledger: { durable } });
  const wanted = scope('k', 100_000, 1);
  const figures = async () => {
    const [state] = await ledger.peek([wanted]);
    return { used: state?.used, held: state?.held };
  };
  const reserve = (id: string) => ledger.reserve(id, [wanted], 600_000);
  await migrate();
  await reserve('first');
  const reader = new DatabaseSync(file);
  if (isReadMeanwhile) {
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM headgate_ledger_buckets').get();
    // so many that all that the reader lets be copied is
    for (let count = 0; count < 20; count++) {
      await reserve(`before ${count}`);
      await ledger.settle(`before ${count}`, []);
    }
  }
  disk.fail();
  let refusal = '';
  const granted = await countUntil(500, async (count) => {
    refusal = String(await tell(reserve(`failing ${count}`).then(() => '')));
    return refusal !== '';
  });
  const renewal = await tell(ledger.renew('first', 600_000));
  await ledger.settle('first', [7]);
  const { pendingSettlements, areSettlementsLate } = ledger.state();
  const meanwhile = await figures();
  const again = await tell(reserve('never'));
  disk.heal();
  await until(() => ledger.state().pendingSettlements === 0);
  const settled = await figures();
  // the same ids: a reservation that was refused was not made, and one that was made is not made twice
  for (let count = 0; count <= granted; count++) await reserve(`failing ${count}`);
  await ledger.settle('first', [9]);
  const after = await figures();
  reader.close();
  await close();
  return {
    granted,
    refusal,
    renewal,
    again,
    pendingSettlements,
    areSettlementsLate,
    meanwhile,
    settled,
    after,
  };
}

console.log(JSON.stringify(await scenarios[scenario]?.()));
