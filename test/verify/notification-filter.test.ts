import pg from 'pg';
import { createClient } from 'redis';
import { expect, it, onTestFinished } from 'vitest';
import { postgresFraming, redisFraming } from '../../scripts/verify/propagation/framing.ts';
import { startNotificationFilter } from '../../scripts/verify/propagation/notification-filter.ts';
import { sharedServer } from '../servers/shared.ts';

it('loses what Redis publishes once it is muted, and nothing else', async () => {
  const filter = await startNotificationFilter(await sharedServer('redis'), redisFraming);
  const subscriber = createClient({ url: filter.url });
  const other = createClient({ url: filter.url });
  for (const client of [subscriber, other]) {
    client.on('error', () => undefined);
    await client.connect();
  }
  onTestFinished(async () => {
    subscriber.destroy();
    other.destroy();
    await filter.close();
  });
  const heard: string[] = [];
  await subscriber.subscribe('filter-test', (message) => heard.push(message));
  await other.publish('filter-test', 'before');
  // an answer on the same connection comes behind the message
  await subscriber.ping();
  expect(heard).toEqual(['before']);
  filter.mute();
  expect(await other.publish('filter-test', 'after')).toBe(1);
  await subscriber.ping();
  await subscriber.subscribe('filter-test-2', () => undefined);
  expect(heard).toEqual(['before']);
  expect(await other.echo('x'.repeat(100_000))).toHaveLength(100_000);
  expect({ delivered: filter.delivered, lost: filter.lost }).toEqual({ delivered: 1, lost: 1 });
});

it('loses what PostgreSQL notifies once it is muted, and nothing else', async () => {
  const filter = await startNotificationFilter(await sharedServer('postgres'), postgresFraming);
  const client = new pg.Client(filter.url);
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(async () => {
    await client.end();
    await filter.close();
  });
  const heard: (string | undefined)[] = [];
  client.on('notification', ({ payload }) => heard.push(payload));
  await client.query("LISTEN filter_test; NOTIFY filter_test, 'before'");
  await client.query('SELECT 1');
  expect(heard).toEqual(['before']);
  filter.mute();
  await client.query("NOTIFY filter_test, 'after'");
  const { rows } = await client.query("SELECT repeat('x', 100000) AS text");
  expect(rows[0].text).toHaveLength(100_000);
  expect(heard).toEqual(['before']);
  expect({ delivered: filter.delivered, lost: filter.lost }).toEqual({ delivered: 1, lost: 1 });
});
