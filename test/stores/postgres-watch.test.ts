import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PostgresStoresOptions } from '../../src/stores/postgres/postgres-stores.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { versioned } from '../../src/testing/contracts/writable-key-store-samples.ts';
import { startPostgres } from '../servers/postgres.ts';
import { until } from '../servers/processes.ts';
import type { TestServer } from '../servers/test-server.ts';
import { createPlace, type PostgresPlace } from './postgres-fixture.ts';

/** So long that only a notification can be what told. */
const neverMs = 600_000;

const listeners = `SELECT pid FROM pg_stat_activity WHERE application_name = 'headgate' AND query LIKE 'LISTEN%'`;

let server: TestServer;
let place: PostgresPlace;
let writer: Stores;
beforeAll(async () => {
  server = await startPostgres({ own: true });
});
afterAll(() => server.stop());
beforeEach(async () => {
  place = await createPlace(server);
  writer = place.open({ connectionString: server.url });
  await writer.migrate();
});
afterEach(() => place.close());

/** Watches keys and waits until it has begun, and until it listens when it is to. */
async function watch(options: PostgresStoresOptions) {
  const stores = place.open(options);
  const heard: (string | undefined)[] = [];
  let isProbed = false;
  const unwatch = stores.keys.watchKeys((id) => {
    if (id === 'Probe') isProbed = true;
    else heard.push(id);
  });
  await until(() => heard.includes(undefined), 'the beginning');
  let probes = 0;
  const probe = async () => {
    await put(writer, 'Probe', ++probes);
    return isProbed;
  };
  if (options.listen !== false) await until(probe, 'a notification');
  heard.length = 0;
  const hears = (id: string | undefined) => until(() => heard.includes(id), `hearing ${id}`);
  return { stores, heard, hears, unwatch };
}

const put = (stores: Stores, kid: string, version = 1) =>
  stores.keys.putKey(versioned(sampleRecord(kid), version), version - 1);

/** Until a change is told by its id, which only a notification can do here. */
async function listensAgain(heard: readonly (string | undefined)[]): Promise<void> {
  let version = 0;
  const isTold = async () => {
    await put(writer, 'Again', ++version);
    return heard.includes('Again');
  };
  await until(isTold, 'a notification again');
}

describe('a watch over notifications', () => {
  it('hears of changes by other nodes without a poll, each once and in order', async () => {
    const { heard, hears } = await watch({ pollMs: neverMs });
    const kids = Array.from({ length: 50 }, (_, index) => `Push${String(index).padStart(8, '0')}`);
    for (const kid of kids) await put(writer, kid);
    await hears(kids.at(-1) as string);
    expect(heard).toEqual(kids);
  });

  it('hears of changes that ran at the same time, all of them, each once', async () => {
    const { heard, hears } = await watch({ pollMs: neverMs });
    const kids = Array.from({ length: 100 }, (_, index) => `Push${String(index).padStart(8, '0')}`);
    await Promise.all(kids.map((kid) => put(writer, kid)));
    for (const kid of kids) await hears(kid);
    expect(heard.toSorted()).toEqual(kids);
  });

  it('looks the id of a change up when it is too long to be notified', async () => {
    const { hears } = await watch({ pollMs: neverMs });
    const kid = 'ü'.repeat(900);
    await put(writer, kid);
    await hears(kid);
  });

  it('is not disturbed by what others send on the channel', async () => {
    const { heard, hears } = await watch({ pollMs: neverMs });
    for (const payload of ['', 'x', '{}', 'null', '{"kind":"__proto__","stamp":"9","id":"a"}']) {
      await place.query('SELECT pg_notify($1, $2)', [`${place.schema}_changes`, payload]);
    }
    await put(writer, 'Aa0000000001');
    await hears('Aa0000000001');
    expect(heard).toEqual(['Aa0000000001']);
  });

  it('listens again after its connection was ended, and tells that anything may have changed', async () => {
    const { heard, hears } = await watch({ pollMs: neverMs });
    const [listener] = await place.query(listeners);
    await place.query('SELECT pg_terminate_backend($1)', [listener?.pid]);
    await hears(undefined);
    await listensAgain(heard);
  });

  it('finds out that its connection has fallen silent, and listens over another', async () => {
    const { heard, hears } = await watch({ pollMs: neverMs, heartbeatMs: 50, deadlineMs: 1_000 });
    const accepted = place.proxy.accepted;
    place.proxy.stall();
    await put(writer, 'Missed000001');
    await until(() => place.proxy.accepted > accepted, 'a new connection');
    await place.proxy.heal();
    await hears(undefined);
    await listensAgain(heard);
  });

  it('leaves no connection listening when it has ended', async () => {
    const { unwatch } = await watch({ pollMs: neverMs });
    await unwatch();
    await until(async () => (await place.query(listeners)).length === 0, 'the end of the connection');
  });
});

describe('a watch without notifications', () => {
  it('hears of every change by polling, each once and in order', async () => {
    const { heard, hears } = await watch({ listen: false, pollMs: 20 });
    const kids = Array.from({ length: 30 }, (_, index) => `Poll${String(index).padStart(8, '0')}`);
    for (const kid of kids) await put(writer, kid);
    await hears(kids.at(-1) as string);
    expect(heard).toEqual(kids);
    expect(await place.query(listeners)).toEqual([]);
  });

  it('hears of a change through its own stores at once', async () => {
    const { stores, hears } = await watch({ listen: false, pollMs: neverMs });
    await put(stores, 'Aa0000000001');
    await hears('Aa0000000001');
  });

  it('tells that anything may have changed after more changes than are told one by one or remembered', async () => {
    const { heard, hears } = await watch({ listen: false, pollMs: 50 });
    const note = `SELECT schema.note_change('keys', i::text, gen_random_uuid()) FROM generate_series(1, $1) AS i`;
    await place.query(note, [1_001]);
    await hears(undefined);
    heard.length = 0;
    await place.query(note, [10_050]);
    await hears(undefined);
    const [{ count } = {}] = await place.query(
      "SELECT count(*)::int AS count FROM schema.changes WHERE kind = 'keys'",
    );
    expect(count).toBe(10_000);
  });

  it('tells that anything may have changed when the numbers go back, as after a restore', async () => {
    await put(writer, 'Aa0000000001');
    await put(writer, 'Aa0000000002');
    const { heard, hears } = await watch({ listen: false, pollMs: 50 });
    await place.query("UPDATE schema.stamps SET stamp = 1 WHERE kind = 'keys'");
    await place.query("DELETE FROM schema.changes WHERE kind = 'keys' AND stamp > 1");
    await hears(undefined);
    heard.length = 0;
    await put(writer, 'Aa0000000003');
    await hears('Aa0000000003');
  });

  it('takes no connection from a pool that has only one', async () => {
    const stores = place.open({ maxConnections: 1, pollMs: 50 });
    const heard: (string | undefined)[] = [];
    stores.keys.watchKeys((id) => void heard.push(id));
    await until(() => heard.includes(undefined), 'the beginning');
    await put(writer, 'Aa0000000001');
    await until(() => heard.includes('Aa0000000001'), 'the change');
    expect((await stores.keys.findKey('Aa0000000001'))?.kid).toBe('Aa0000000001');
    expect(await place.query(listeners)).toEqual([]);
  });
});
