import pg from 'pg';
import type { PostgresClient, PostgresPool } from '../../src/stores/postgres/client.ts';

/**
 * A pool as it looks through pgbouncer in transaction mode: what is sent outside of a transaction goes over any of the
 * server's connections, each time another one; a transaction stays on one. LISTEN is taken and nothing is ever
 * delivered; named statements are refused. The connections behind it end by their idle timeout.
 */
export function createTransactionPool(connectionString: string): PostgresPool {
  const servers = new pg.Pool({
    connectionString,
    max: 10,
    idleTimeoutMillis: 500,
    connectionTimeoutMillis: 2_000,
    allowExitOnIdle: true,
    application_name: 'headgate',
  });
  servers.on('error', () => {});
  const connect = async (): Promise<PostgresClient> => {
    // as a pooler it is reached first, and the server by the first statement
    let server: pg.PoolClient | undefined = await servers.connect();
    const onError = () => {};
    const giveBack = (error?: Error | boolean) => {
      server?.removeListener('error', onError);
      server?.release(error);
      server = undefined;
    };
    server.on('error', onError);
    return {
      async query(text: unknown, values) {
        if (typeof text !== 'string') throw new Error('prepared statement does not exist');
        if (/^(UN)?LISTEN/.test(text)) return { rows: [] };
        if (!server) {
          server = await servers.connect();
          server.on('error', onError);
        }
        try {
          const result = await server.query(text, values);
          // what follows BEGIN stays on this connection until COMMIT or ROLLBACK
          if ((server as { _txStatus?: string })._txStatus === 'I') giveBack();
          return result;
        } catch (error) {
          if ((server as { _txStatus?: string } | undefined)?._txStatus === 'I') giveBack();
          throw error;
        }
      },
      release: giveBack,
      on: () => undefined,
      removeListener: () => undefined,
    };
  };
  return {
    connect,
    on: () => undefined,
    removeListener: () => undefined,
    options: { max: 10 },
  };
}
