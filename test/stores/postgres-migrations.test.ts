import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createRuntime } from '../../src/runtime.ts';
import { createPostgresDatabase, type PostgresDatabase } from '../../src/stores/postgres/connection.ts';
import { migratePostgres } from '../../src/stores/postgres/migrate.ts';
import { createPostgresStores, type PostgresStores } from '../../src/stores/postgres/postgres-stores.ts';
import { postgresSteps } from '../../src/stores/postgres/steps.ts';
import type { MigrationStep } from '../../src/stores/sql/migration.ts';
import { sampleVersion } from '../../src/testing/contracts/config-store-samples.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { scope } from '../../src/testing/contracts/ledger-case.ts';
import { sampleSecret } from '../../src/testing/contracts/secret-store-samples.ts';
import { versioned } from '../../src/testing/contracts/writable-key-store-samples.ts';
import { sharedServer } from '../servers/shared.ts';
import { createPlace, type PostgresPlace } from './postgres-fixture.ts';

const names = postgresSteps('any').map(({ name }) => name);
const openFor = (connectionString: string): PostgresDatabase =>
  createPostgresDatabase({
    ...{ connectionString, maxConnections: 2, connectDeadlineMs: 2_000, maxWaiting: 100 },
    runtime: createRuntime(),
  });

let url: string;
let place: PostgresPlace;
let database: PostgresDatabase;
beforeAll(async () => {
  url = await sharedServer('postgres');
  database = openFor(url);
});
afterAll(() => database.close(1_000));
beforeEach(async () => {
  place = await createPlace({ url });
});
afterEach(() => place.close());

const migrateTo = (steps: readonly MigrationStep[]) =>
  migratePostgres({ database, schema: place.schema, steps, deadlineMs: 10_000 });

/** Every statement that the stores have, once. */
async function useEverything(stores: PostgresStores, tag = 'x'): Promise<void> {
  const kid = `Kid${tag}`;
  const { keys, config, secrets, ledger } = stores;
  expect(await keys.putKey(versioned(sampleRecord(kid, { lastUsedAtMs: 3 }), 1), 0)).toBe(true);
  expect(await keys.putKey(versioned(sampleRecord(kid), 2), 1)).toBe(true);
  await keys.noteUses([{ kid, usedAtMs: 5, previous: true }]);
  expect(await keys.findKey(kid)).toMatchObject({ version: 2, lastUsedAtMs: 5 });
  expect(await keys.listKeys({ team: 'web' })).not.toEqual([]);
  const number = await config.readNumber();
  expect(await config.appendVersion(sampleVersion(tag), number)).toMatchObject({ number: number + 1 });
  expect(await config.readLatest()).toEqual(await config.readVersion(number + 1));
  expect(await config.listVersions()).toHaveLength(number + 1);
  expect(await secrets.putSecret(sampleSecret(tag), 0)).toBe(true);
  expect(await secrets.putSecret(sampleSecret(tag, { version: 2 }), 1)).toBe(true);
  expect(await secrets.findSecret(tag)).toMatchObject({ version: 2 });
  expect(await secrets.listSecrets({ limit: 10 })).toHaveLength(1);
  expect(await secrets.removeSecret(tag, 2)).toBe(true);
  expect(await secrets.readSecretsStamp()).toBeGreaterThanOrEqual(3);
  const wanted = [scope(tag, 10, { hold: 3 })];
  expect(await ledger.reserve(`left ${tag}`, wanted, 1)).toMatchObject({ kind: 'granted' });
  expect(await ledger.reserve(tag, wanted, 60_000)).toMatchObject({ kind: 'granted' });
  expect(await ledger.renew(tag, 60_000, [2])).toBe(true);
  await ledger.settle(tag, [1]);
  // sweeps what was left, and drops what is old
  await vi.waitFor(
    async () => expect(await ledger.peek(wanted)).toMatchObject([{ used: 4, held: 0 }]),
    60_000,
  );
}

describe('migrating PostgreSQL', () => {
  it('does all steps once and says which', async () => {
    const stores = place.open();
    expect(await stores.migrate()).toEqual(names);
    expect(await stores.migrate()).toEqual([]);
    expect(await place.open().migrate()).toEqual([]);
    await useEverything(stores);
  });

  it('is done by exactly one of many nodes that start at once, while the others wait for it', async () => {
    const nodes = Array.from({ length: 8 }, () => place.open({ maxConnections: 2 }));
    const done = await Promise.all(nodes.map((stores) => stores.migrate()));
    expect(done.filter((steps) => steps.length > 0)).toEqual([names]);
    const recorded = await place.query('SELECT name FROM schema.migrations ORDER BY done_at, name');
    expect(recorded).toHaveLength(names.length);
    await Promise.all(
      nodes.map((stores, index) => stores.keys.putKey(versioned(sampleRecord(`Kid${index}`), 1), 0)),
    );
  });

  it('is done by the first call, unless it is told not to', async () => {
    expect(await place.open({ readDeadlineMs: 30_000 }).keys.findKey('a')).toBeNull();
    const other = await createPlace({ url });
    const stores = other.open({ migrate: false, readDeadlineMs: 30_000 });
    await expect(stores.keys.findKey('a')).rejects.toThrow(
      /schema is missing or old: run `headgate migrate`/,
    );
    await stores.migrate();
    expect(await stores.keys.findKey('a')).toBeNull();
    await other.close();
  });

  it('goes on where an older release has stopped, which works on beside', async () => {
    const steps = postgresSteps(place.schema);
    await migrateTo(steps.slice(0, 3));
    const older = place.open({ migrate: false });
    expect(await older.keys.putKey(versioned(sampleRecord('Old'), 1), 0)).toBe(true);
    const newer = place.open();
    expect(await newer.migrate()).toEqual(names.slice(3));
    expect(await older.keys.putKey(versioned(sampleRecord('Old'), 2), 1)).toBe(true);
    expect((await newer.keys.findKey('Old'))?.version).toBe(2);
    await useEverything(newer);
  });

  it('leaves this release working when a later one has added to the schema, before and under load', async () => {
    const stores = place.open();
    await stores.migrate();
    const writing = (async () => {
      for (let version = 0; version < 100; version++) {
        expect(await stores.keys.putKey(versioned(sampleRecord('Busy'), version + 1), version)).toBe(true);
      }
    })();
    const later: MigrationStep = {
      name: 'of a later release',
      generation: 1,
      statements: [
        'ALTER TABLE schema.keys ADD COLUMN region text',
        "ALTER TABLE schema.stamps ADD COLUMN note text NOT NULL DEFAULT ''",
        'CREATE INDEX keys_region ON schema.keys (region)',
        "INSERT INTO schema.stamps VALUES ('budgets', 0, '')",
      ].map((statement) => statement.replaceAll('schema.', `${place.schema}.`)),
    };
    expect(await migrateTo([...postgresSteps(place.schema), later])).toEqual(['of a later release']);
    await writing;
    expect(await place.open().migrate()).toEqual([]);
    await useEverything(stores);
  });

  it('refuses a schema of a release that it cannot work beside, and touches nothing', async () => {
    await place.open().migrate();
    await place.query("INSERT INTO schema.migrations (name, generation) VALUES ('removes what is old', 2)");
    const stores = place.open();
    await expect(stores.migrate()).rejects.toThrow(new RegExp(`"${place.schema}".*generation 2`));
    await expect(stores.keys.findKey('a')).rejects.toThrow(/generation 2/);
    expect(await place.query('SELECT count(*)::int AS count FROM schema.migrations')).toEqual([
      { count: names.length + 1 },
    ]);
  });

  it('undoes everything when a step fails', async () => {
    const wrong: MigrationStep = {
      name: 'wrong',
      generation: 1,
      statements: ['CREATE TABLE nowhere.at_all ()'],
    };
    await expect(migrateTo([...postgresSteps(place.schema), wrong])).rejects.toThrow(/migrate failed.*3F000/);
    expect(await place.query('SELECT to_regnamespace($1) AS schema', [place.schema])).toEqual([
      { schema: null },
    ]);
  });

  it('keeps two schemas in one database apart, also while both are migrated', async () => {
    const other = await createPlace({ url });
    const [one, two] = [place.open(), other.open()];
    await Promise.all([one.migrate(), two.migrate()]);
    await one.keys.putKey(versioned(sampleRecord('Mine'), 1), 0);
    expect(await two.keys.findKey('Mine')).toBeNull();
    await other.close();
  });
});

describe('roles of PostgreSQL', () => {
  const password = randomBytes(12).toString('hex');
  const role = `serving_${randomBytes(4).toString('hex')}`;
  const asRole = () => {
    const changed = new URL(url);
    changed.username = role;
    changed.password = password;
    return changed.href;
  };
  beforeAll(async () => {
    const admin = new pg.Client(url);
    await admin.connect();
    await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
    await admin.end();
  });
  afterAll(async () => {
    const admin = new pg.Client(url);
    await admin.connect();
    await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await admin.end();
  });

  it('may serve with the privileges that the documentation names, and do no more', async () => {
    await place.open().migrate();
    const source = readFileSync(
      new URL('../../src/stores/postgres/postgres-stores.ts', import.meta.url),
      'utf8',
    );
    const grants = [...source.matchAll(/^ \* (GRANT .* TO serving);$/gm)].map(([, grant]) => grant as string);
    expect(grants).toHaveLength(9);
    for (const grant of grants) {
      const ours = grant
        .replaceAll('headgate.', 'schema.')
        .replace('SCHEMA headgate', `SCHEMA ${place.schema}`);
      await place.query(ours.replace('serving', role));
    }
    // the schema is up to date, so the default of migrating at the first call needs no more either
    const stores = place.open({ connectionString: asRole() });
    expect(await stores.migrate()).toEqual([]);
    await useEverything(stores);
    const client = new pg.Client(asRole());
    await client.connect();
    for (const text of [
      `DELETE FROM ${place.schema}.keys`,
      `UPDATE ${place.schema}.config_versions SET author = 'x'`,
      `DROP TABLE ${place.schema}.secrets`,
      `CREATE TABLE ${place.schema}.mine ()`,
    ]) {
      await expect(client.query(text)).rejects.toMatchObject({ code: '42501' });
    }
    await client.end();
  });

  it('are told which privilege is missing', async () => {
    await place.open().migrate();
    const stores = place.open({ connectionString: asRole(), migrate: false });
    await expect(stores.keys.findKey('a')).rejects.toThrow(/42501.*lacks a privilege/);
  });
});

describe('options of the PostgreSQL stores', () => {
  it.each([
    [{}, /either "pool" or "connectionString"/],
    [{ connectionString: '' }, /either "pool" or "connectionString"/],
    [{ connectionString: 'postgres://x', pool: {} }, /either "pool" or "connectionString"/],
    [{ pool: {} }, /"pool"/],
    [{ connectionString: 'postgres://x', schema: 'a"; DROP' }, /"schema"/],
    [{ connectionString: 'postgres://x', schema: '1a' }, /"schema"/],
    [{ connectionString: 'postgres://x', schema: 'pg_mine' }, /"schema"/],
    [{ connectionString: 'postgres://x', pollMs: 0 }, /"pollMs"/],
    [{ connectionString: 'postgres://x', readDeadlineMs: Number.NaN }, /"readDeadlineMs"/],
    [{ connectionString: 'postgres://x', maxWaiting: 1.5 }, /"maxWaiting"/],
  ])('that are not usable are a TypeError that names the option: %j', (options, message) => {
    const create = () => createPostgresStores(options as never);
    expect(create).toThrow(TypeError);
    expect(create).toThrow(message);
  });

  it('say what to install when the package pg is not there', async () => {
    vi.doMock('pg', () => {
      throw new Error("Cannot find package 'pg'");
    });
    const stores = createPostgresStores({ connectionString: 'postgres://127.0.0.1:1/none' });
    await expect(stores.keys.findKey('a')).rejects.toThrow(/run `npm install pg`, or pass a pool/);
    vi.doUnmock('pg');
    await stores.close();
  });

  it('show no password in an error', async () => {
    const stores = createPostgresStores({
      connectionString: 'postgres://root:s3cr3t-canary@127.0.0.1:1/none',
    });
    const error = (await stores.keys.findKey('a').catch((reason: Error) => reason)) as Error;
    expect(error.message).toMatch(/^PostgreSQL: migrate failed, there is no connection\. ECONNREFUSED\./);
    const shown = [error, error.cause].map(
      (each) => `${each} ${(each as Error).stack} ${JSON.stringify(each)}`,
    );
    expect(shown.join()).not.toContain('s3cr3t-canary');
    await stores.close();
  });
});
