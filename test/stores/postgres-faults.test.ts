import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRuntime } from '../../src/runtime.ts';
import { createPostgresDatabase } from '../../src/stores/postgres/connection.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { sampleVersion } from '../../src/testing/contracts/config-store-samples.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { sampleSecret } from '../../src/testing/contracts/secret-store-samples.ts';
import { versioned } from '../../src/testing/contracts/writable-key-store-samples.ts';
import { eventually, noDeadlineMs } from '../eventually.ts';
import { startPostgres } from '../servers/postgres.ts';
import { until } from '../servers/processes.ts';
import type { TestServer } from '../servers/test-server.ts';
import { createPlace, type PostgresPlace } from './postgres-fixture.ts';

const kid = 'Aa0000000001';
const isChange = (chunk: Buffer) => chunk.includes('note_change');
const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headgate'`;

let server: TestServer;
let place: PostgresPlace;
let stores: Stores;
beforeAll(async () => {
  server = await startPostgres({ own: true });
});
afterAll(() => server.stop());
beforeEach(async () => {
  place = await createPlace(server);
  stores = place.open();
  await stores.migrate();
});
afterEach(() => place.close());

const countChanges = async (kind: string) =>
  (await place.query('SELECT count(*)::int AS count FROM schema.changes WHERE kind = $1', [kind]))[0]?.count;

/** Stores whose calls do not wait long. Connected, so that only what a test does makes them wait. */
async function openHasty(): Promise<Stores> {
  const hasty = place.open({ readDeadlineMs: 500, deadlineMs: 2_000 });
  await eventually(() => hasty.keys.findKey(kid));
  return hasty;
}

const errorOf = (call: Promise<unknown>): Promise<Error | undefined> =>
  call.then(
    () => undefined,
    (reason: Error) => reason,
  );

describe('a change whose answer is lost', () => {
  it('is made once and known to be made: a key', async () => {
    const lost = place.proxy.loseAnswer(isChange);
    expect(await stores.keys.putKey(versioned(sampleRecord(kid), 1), 0)).toBe(true);
    await lost;
    expect((await stores.keys.findKey(kid))?.version).toBe(1);
    expect(await countChanges('keys')).toBe(1);
  });

  it('is made once and known to be made: a version of the configuration', async () => {
    const lost = place.proxy.loseAnswer(isChange);
    expect((await stores.config.appendVersion(sampleVersion('v1'), 0))?.number).toBe(1);
    await lost;
    expect(await stores.config.readNumber()).toBe(1);
    expect(await countChanges('config')).toBe(1);
  });

  it('is made once and known to be made: a secret put and removed', async () => {
    let lost = place.proxy.loseAnswer(isChange);
    expect(await stores.secrets.putSecret(sampleSecret('openai'), 0)).toBe(true);
    await lost;
    lost = place.proxy.loseAnswer(isChange);
    expect(await stores.secrets.removeSecret('openai', 1)).toBe(true);
    await lost;
    expect(await stores.secrets.findSecret('openai')).toBeNull();
    expect(await countChanges('secrets')).toBe(2);
  });

  it('is known to be made also when others have made the next changes before it is asked', async () => {
    const beside = place.open({ connectionString: server.url });
    const lost = place.proxy.loseAnswer(isChange).then(() => place.proxy.stall());
    const putting = stores.keys.putKey(versioned(sampleRecord(kid, { team: 'first' }), 1), 0);
    await lost;
    expect(await beside.keys.putKey(versioned(sampleRecord(kid, { team: 'second' }), 2), 1)).toBe(true);
    await place.proxy.heal();
    expect(await putting).toBe(true);
    expect((await stores.keys.findKey(kid))?.team).toBe('second');
  });

  it('is known to have lost when another was first', async () => {
    await stores.keys.putKey(versioned(sampleRecord(kid, { team: 'first' }), 1), 0);
    const lost = place.proxy.loseAnswer(isChange);
    expect(await stores.keys.putKey(versioned(sampleRecord(kid, { team: 'late' }), 1), 0)).toBe(false);
    await lost;
    expect((await stores.keys.findKey(kid))?.team).toBe('first');
  });
});

describe('a server that is frozen', () => {
  afterEach(() => server.thaw());

  it('makes reads that requests wait for reject within 500 ms, other calls within 2 s, and leaves no pile behind', async () => {
    await stores.keys.putKey(versioned(sampleRecord(kid), 1), 0);
    const hasty = await openHasty();
    await server.freeze();
    const reads = Array.from({ length: 300 }, () => errorOf(hasty.keys.findKey(kid)));
    const numbers = Array.from({ length: 50 }, () => errorOf(hasty.config.readNumber()));
    const writes = Array.from({ length: 20 }, () =>
      errorOf(hasty.keys.putKey(versioned(sampleRecord('Bb'), 1), 0)),
    );
    // all of them end while it is frozen, and say themselves how long they have waited
    for (const error of await Promise.all([...reads, ...numbers])) {
      expect(error?.message).toMatch(/no answer in time\. No answer within \d+ ms\./);
      expect(Number(/within (\d+) ms/.exec(error?.message ?? '')?.[1])).toBeLessThanOrEqual(500);
    }
    for (const error of await Promise.all(writes)) {
      expect(error?.message).toMatch(/no answer in time\. No answer within \d+ ms\./);
      expect(Number(/within (\d+) ms/.exec(error?.message ?? '')?.[1])).toBeLessThanOrEqual(2_000);
    }
    await server.thaw();
    await until(async () => (await hasty.keys.findKey(kid).catch(() => null)) !== null, 'the key again');
    await until(async () => (await place.countBackends()) <= 11, 'the end of abandoned connections');
  });

  it('may apply a change later that was given up, but never twice', async () => {
    const hasty = await openHasty();
    await server.freeze();
    const given = versioned(sampleRecord(kid, { team: 'given up' }), 1);
    await expect(hasty.keys.putKey(given, 0)).rejects.toThrow(/no answer in time/);
    await server.thaw();
    const again = versioned(sampleRecord(kid, { team: 'again' }), 1);
    const isStored = await stores.keys.putKey(again, 0);
    const found = await stores.keys.findKey(kid);
    expect(found?.team).toBe(isStored ? 'again' : 'given up');
    expect(await countChanges('keys')).toBe(1);
  });
});

describe('a server that ends connections', () => {
  it('is not noticed by calls while every connection is terminated again and again', async () => {
    const kids = ['Aa0000000001', 'Aa0000000002', 'Aa0000000003', 'Aa0000000004'];
    let isOver = false;
    const made = kids.map(() => 0);
    const write = async (mine: string, index: number) => {
      let version = 0;
      while (!isOver) {
        // a change that lost can only have lost against itself
        expect(await stores.keys.putKey(versioned(sampleRecord(mine), version + 1), version)).toBe(true);
        version++;
        made[index] = version;
        expect((await stores.keys.findKey(mine))?.version).toBe(version);
      }
    };
    const writing = Promise.all(kids.map(write));
    for (let round = 0; round < 15; round++) {
      const before = [...made];
      // of each: a call that meets the end of its connection four times in a row is given up
      const isOn = () => made.every((count, index) => count > (before[index] as number) + 1);
      await Promise.race([until(isOn, 'some changes of each'), writing]);
      expect((await place.query(terminate)).length).toBeGreaterThan(0);
    }
    isOver = true;
    await writing;
    expect(await countChanges('keys')).toBe(made.reduce((sum, count) => sum + count));
  });

  it('does not make the first call after idle connections were ended fail', async () => {
    await Promise.all(Array.from({ length: 8 }, () => stores.config.readNumber()));
    await place.query(terminate);
    await until(async () => (await place.countBackends()) === 0, 'the end of the connections');
    expect(await stores.config.readNumber()).toBe(0);
  });

  it('is left for one that takes writes, where it takes none any more and keeps its connections', async () => {
    const database = new URL(server.url).pathname.slice(1);
    const put = (version: number) => stores.keys.putKey(versioned(sampleRecord(kid), version), version - 1);
    await place.query(`ALTER DATABASE ${database} SET default_transaction_read_only = on`);
    await place.query(terminate);
    await until(async () => (await place.countBackends()) === 0, 'the end of the connections');
    const error = await errorOf(put(1));
    expect(error?.message).toMatch(/failed, the server takes no writes\. 25006\. Connect to the primary\.$/);
    // these stay as they are; new ones can write
    await Promise.all(Array.from({ length: 3 }, () => stores.config.readNumber()));
    await place.query(`ALTER DATABASE ${database} RESET default_transaction_read_only`);
    expect(await put(1)).toBe(true);
    expect(await put(2)).toBe(true);
  });

  it('makes calls reject while it is dead, and the same stores work when it is back', async () => {
    await stores.keys.putKey(versioned(sampleRecord(kid), 1), 0);
    await server.kill();
    const dead = await errorOf(stores.keys.findKey(kid));
    expect(dead?.message).toMatch(/^PostgreSQL: findKey failed, /);
    await server.restart();
    await until(async () => (await stores.keys.findKey(kid).catch(() => null)) !== null, 'the key again');
  });
});

describe('a slow or crowded way to the server', () => {
  it('is waited for within the deadline, with right answers', async () => {
    place.proxy.delay(25);
    expect(await stores.keys.putKey(versioned(sampleRecord(kid), 1), 0)).toBe(true);
    const found = await Promise.all(Array.from({ length: 2_000 }, () => stores.keys.findKey(kid)));
    expect(found.every((record) => record?.kid === kid)).toBe(true);
    expect(place.proxy.connections).toBeLessThanOrEqual(10);
  });

  it('makes a read reject in time when it is slower than its deadline, never with null', async () => {
    await stores.keys.putKey(versioned(sampleRecord(kid), 1), 0);
    const hasty = await openHasty();
    place.proxy.delay(5_000);
    expect((await errorOf(hasty.keys.findKey(kid)))?.message).toMatch(/No answer within (500|4\d\d) ms\./);
    place.proxy.cut();
  });

  it('looks ten thousand cold keys up in few statements, each once', async () => {
    const kids = Array.from({ length: 10_000 }, (_, index) => `Cold${String(index).padStart(8, '0')}`);
    const insert = `INSERT INTO schema.keys (kid, version, team, created_at_ms, record)
      SELECT kid, 1, 'web', 1, json_build_object('kid', kid, 'version', 1) FROM unnest($1::text[]) AS kid`;
    await place.query(insert, [kids]);
    const patient = place.open();
    await patient.keys.findKey('warm');
    const found = await Promise.all(kids.map((each) => patient.keys.findKey(each)));
    expect(found.map((record) => record?.kid)).toEqual(kids);
  });

  it('costs one call when its connection falls silent: it is given up, and the next call has another', async () => {
    const single = place.open({ maxConnections: 1, readDeadlineMs: 3_000 });
    await single.keys.putKey(versioned(sampleRecord(kid), 1), 0);
    place.proxy.silence();
    await expect(single.keys.findKey(kid)).rejects.toThrow(/no answer in time/);
    expect((await single.keys.findKey(kid))?.kid).toBe(kid);
  });

  it('rejects at once what would be one too many to wait for a connection', async () => {
    const small = place.open({ maxConnections: 1, maxWaiting: 5, deadlineMs: 2_000 });
    await small.config.readNumber();
    place.proxy.stall();
    const ends: string[] = [];
    const list = async () => void ends.push((await errorOf(small.keys.listKeys({})))?.message ?? '');
    await Promise.all(Array.from({ length: 20 }, list));
    // at once is before any of those that wait has ended
    const refused = ends.map((message) => /5 calls wait for one already/.test(message));
    expect(refused.indexOf(false)).toBeGreaterThanOrEqual(14);
    expect(refused.lastIndexOf(true)).toBe(refused.indexOf(false) - 1);
  });

  it('rejects in time when a pool that was passed in has no connection left, and leaves that pool open', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 2 });
    const own = place.open({ pool, readDeadlineMs: 3_000 });
    expect(await own.keys.findKey(kid)).toBeNull();
    const taken = await Promise.all([pool.connect(), pool.connect()]);
    // before any is given back
    await expect(own.keys.findKey(kid)).rejects.toThrow(/no answer in time/);
    for (const client of taken) client.release();
    expect(await own.keys.findKey(kid)).toBeNull();
    await own.close();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await pool.end();
  });
});

describe('transactions that get in each other’s way', () => {
  const createDatabase = () =>
    createPostgresDatabase({
      connectionString: server.url,
      maxConnections: 6,
      connectDeadlineMs: noDeadlineMs,
      maxWaiting: 100,
      runtime: createRuntime(),
    });
  beforeEach(() =>
    place.query('CREATE TABLE schema.counters AS SELECT id, 0 AS value FROM generate_series(1, 2) AS id'),
  );

  it('are done again after a deadlock, and both come to pass', async () => {
    const database = createDatabase();
    let begun = 0;
    const haveBegun = Promise.withResolvers<void>();
    const add = (order: readonly number[]) => {
      let attempts = 0;
      return database.transaction({ what: 'add', deadlineMs: noDeadlineMs }, async (session) => {
        attempts++;
        for (const id of order) {
          await session.query(`UPDATE ${place.schema}.counters SET value = value + 1 WHERE id = $1`, [id]);
          // each has its first row when it asks for the other's
          if (++begun === 2) haveBegun.resolve();
          await haveBegun.promise;
        }
        return attempts;
      });
    };
    const attempts = await Promise.all([add([1, 2]), add([2, 1])]);
    expect(attempts.toSorted()).toEqual([1, 2]);
    expect(await place.query('SELECT value FROM schema.counters')).toEqual([{ value: 2 }, { value: 2 }]);
    await database.close(1_000);
  });

  it('are done again after a serialisation failure, three times at most', async () => {
    const database = createDatabase();
    let attempts = 0;
    const options = { what: 'add', deadlineMs: noDeadlineMs };
    const failing = database.transaction(options, async (session) => {
      attempts++;
      await session.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
      await session.query(`SELECT value FROM ${place.schema}.counters`);
      // somebody else is always faster
      await place.query('UPDATE schema.counters SET value = value + 1');
      await session.query(`UPDATE ${place.schema}.counters SET value = value + 1`);
    });
    await expect(failing).rejects.toThrow('other transactions were in the way again and again. 40001.');
    expect(attempts).toBe(4);
    await database.close(1_000);
  });

  it('are rolled back when the work throws, which is passed on as it is, and the connection is good', async () => {
    const database = createDatabase();
    const mistake = new RangeError('a mistake of the work');
    const failing = database.transaction({ what: 'add', deadlineMs: noDeadlineMs }, async (session) => {
      await session.query(`UPDATE ${place.schema}.counters SET value = 100`);
      throw mistake;
    });
    await expect(failing).rejects.toBe(mistake);
    expect(await place.query('SELECT DISTINCT value FROM schema.counters')).toEqual([{ value: 0 }]);
    await database.close(1_000);
  });

  it('whose COMMIT is lost are done again, and recognise by an id what they have done', async () => {
    const database = createPostgresDatabase({
      ...{ maxConnections: 2, connectDeadlineMs: noDeadlineMs, maxWaiting: 100, runtime: createRuntime() },
      connectionString: place.proxy.url,
    });
    await place.query('CREATE TABLE schema.done (id text PRIMARY KEY)');
    const lost = place.proxy.loseAnswer((chunk) => chunk.includes('COMMIT'));
    const repeated: boolean[] = [];
    await database.transaction({ what: 'add', deadlineMs: noDeadlineMs }, async (session, isRepeated) => {
      repeated.push(isRepeated);
      const text = `INSERT INTO ${place.schema}.done VALUES ($1) ON CONFLICT DO NOTHING RETURNING id`;
      if ((await session.query(text, ['only once'])).length === 0) return;
      await session.query(`UPDATE ${place.schema}.counters SET value = value + 1`);
    });
    await lost;
    expect(repeated).toEqual([false, true]);
    expect(await place.query('SELECT DISTINCT value FROM schema.counters')).toEqual([{ value: 1 }]);
    await database.close(1_000);
  });
});

describe('a connection that the server ends in the same breath in which it is made', () => {
  it('fails its call and nothing else', async () => {
    const ready = Buffer.from('520000000800000000' + '5a0000000549', 'hex');
    const fields = Buffer.from('SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0');
    const head = Buffer.alloc(5);
    head.write('E');
    head.writeInt32BE(fields.length + 4, 1);
    const broken = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(Buffer.concat([ready, head, fields])));
    });
    await once(broken.listen(0, '127.0.0.1'), 'listening');
    const { port } = broken.address() as AddressInfo;
    // an `error` of the connection that nobody listens to would end the process, and fails this run
    const cut = place.open({ connectionString: `postgres://u@127.0.0.1:${port}/none`, migrate: false });
    await expect(cut.keys.findKey(kid)).rejects.toThrow('PostgreSQL: ');
    broken.close();
  });
});
