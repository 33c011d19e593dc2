import { randomUUID } from 'node:crypto';
import { sharedServer } from '../servers/shared.ts';
import { testCommandsOn } from './store-commands.ts';

const newName = () => `cli_${randomUUID().replaceAll('-', '').slice(0, 16)}`;

testCommandsOn('PostgreSQL', async () => {
  const url = new URL(await sharedServer('postgres'));
  url.searchParams.set('schema', newName());
  return url.href;
});
testCommandsOn('Redis', async () => {
  const url = new URL(await sharedServer('redis'));
  url.searchParams.set('installation', newName());
  return url.href;
});
