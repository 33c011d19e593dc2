import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { createRedisStores } from '../../src/stores/redis/redis-stores.ts';
import { sampleVersion } from '../../src/testing/contracts/config-store-samples.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { eventually } from '../eventually.ts';
import { freePort } from '../servers/free-port.ts';
import { redisProgram, startRedis } from '../servers/redis.ts';
import { watchOver } from '../servers/watchdog.ts';
import { connectTo } from './redis-raw.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A Sentinel that watches a primary and fails over half a second after it is gone. */
async function startSentinel(primaryUrl: string): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-sentinel-'));
  const port = await freePort();
  const file = join(directory, 'sentinel.conf');
  const lines = [
    ...[`port ${port}`, 'bind 127.0.0.1', `dir ${directory}`],
    `sentinel monitor main 127.0.0.1 ${new URL(primaryUrl).port} 1`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 3000',
  ];
  writeFileSync(file, lines.join('\n'));
  const child = spawn(redisProgram(), [file, '--sentinel'], { stdio: 'ignore' });
  const unwatch = watchOver(child.pid as number, directory);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  ends.push(async () => {
    unwatch();
    child.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });
  return port;
}

it('goes on with the replica that a Sentinel has made the primary, with every write that it had, and tells watchers', async () => {
  const primary = await startRedis({ own: true });
  const replica = await startRedis({ own: true });
  ends.push(primary.stop, replica.stop);
  const raw = await connectTo(replica.url);
  ends.push(raw.close);
  await raw.send('REPLICAOF', '127.0.0.1', new URL(primary.url).port);
  await eventually(async () =>
    expect(String(await raw.send('INFO', 'replication'))).toContain('master_link_status:up'),
  );
  const port = await startSentinel(primary.url);
  const asked = await eventually(() => connectTo(`redis://127.0.0.1:${port}`));
  ends.push(asked.close);
  // it learns of replicas from the primary
  await eventually(async () => expect(await asked.send('SENTINEL', 'REPLICAS', 'main')).toHaveLength(1));

  const client = new Redis({ sentinels: [{ host: '127.0.0.1', port }], name: 'main', lazyConnect: true });
  client.on('error', () => undefined);
  const stores = createRedisStores({ client, pollMs: 200 });
  ends.push(stores.close);
  await stores.migrate();
  const heard: (string | undefined)[] = [];
  ends.push(stores.keys.watchKeys((id) => void heard.push(id)));
  await eventually(() => expect(heard).toContain(undefined));
  const record = { ...sampleRecord('Aa0000000001'), version: 1 };
  expect(await stores.keys.putKey(record, 0)).toBe(true);
  expect(await stores.config.appendVersion(sampleVersion('v1'), 0)).toMatchObject({ number: 1 });
  await eventually(async () => expect(await raw.send('HGET', 'headgate:{default}:meta', 'config')).toBe('1'));

  heard.length = 0;
  await primary.kill();
  const answers: unknown[] = [];
  await eventually(async () => {
    answers.push(await stores.keys.findKey(record.kid));
  });
  // until then every call failed; none said that there is no key
  expect(answers).toEqual([record]);
  expect(await stores.config.readNumber()).toBe(1);
  expect(await eventually(() => stores.keys.putKey({ ...record, version: 2 }, 1))).toBe(true);
  expect((await stores.keys.findKey(record.kid))?.version).toBe(2);
  await eventually(() => expect(heard).toContain(undefined));
});
