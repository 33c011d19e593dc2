import type { RedisConnection } from './connection.ts';

/**
 * The server settings that can lose what is stored, as sentences for whoever runs the server. None when the user may
 * not ask, or the server does not say.
 */
export async function readServerWarnings(connection: RedisConnection): Promise<readonly string[]> {
  const settings = new Map<string, string>();
  try {
    for (const section of ['memory', 'persistence']) {
      const text = String(await connection.send('', 'INFO', section));
      for (const line of text.split(/\r?\n/)) {
        const [name = '', value = ''] = line.split(':');
        settings.set(name, value);
      }
    }
  } catch {
    // the check is optional: everything else goes on without it
  }
  const warnings: string[] = [];
  const policy = settings.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    warnings.push(
      `Redis has the maxmemory-policy "${policy}" and may evict keys and configuration: set it to noeviction.`,
    );
  }
  if (settings.get('aof_enabled') === '0') {
    warnings.push(
      'Redis keeps no append-only file: a restart brings back an older state, revoked keys among it: set appendonly to yes.',
    );
  }
  return warnings;
}
