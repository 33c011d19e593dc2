import { get } from 'node:http';
import { inject } from 'vitest';
import type {} from './global-setup.ts';

/**
 * URL of the one PostgreSQL or Redis of this run, started by the first file that asks. It is shared: use a schema,
 * database or key prefix of your own, and neither freeze, kill nor empty it.
 *
 * @throws Error when it cannot be started, or vitest runs without `test/servers/global-setup.ts`
 */
export async function sharedServer(name: 'postgres' | 'redis'): Promise<string> {
  const broker = inject('serversUrl');
  if (!broker) throw new Error('vitest must run with `globalSetup: test/servers/global-setup.ts`.');
  return new Promise((resolve, reject) => {
    const request = get(`${broker}/${name}`, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}
