import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { freePort } from './free-port.ts';
import { installPackage } from './install-package.ts';
import { temporaryRoot, unprivilegedIdentity } from './postgres.ts';
import { watchOver } from './watchdog.ts';

/** A pgbouncer before a PostgreSQL. */
export interface Pgbouncer {
  /** As that of the server, with the pooler's port. */
  readonly url: string;
  stop(): Promise<void>;
}

const startDeadlineMs = 60_000;

/** Where the program is; undefined where the package `pgbouncer` is not installed and cannot be. */
export function findPgbouncer(): string | undefined {
  const found = find();
  if (found !== undefined) return found;
  try {
    installPackage('pgbouncer');
  } catch {
    return undefined;
  }
  return find();
}

function find(): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  return directories.map((directory) => join(directory, 'pgbouncer')).find(existsSync);
}

/**
 * Starts it on a free loopback port, in transaction mode with few connections to the server, so that clients share them.
 *
 * @throws Error when it does not answer within a minute
 */
export async function startPgbouncer(program: string, serverUrl: string): Promise<Pgbouncer> {
  const server = new URL(serverUrl);
  const identity = unprivilegedIdentity();
  const directory = mkdtempSync(join(temporaryRoot(), 'headgate-pgbouncer-'));
  const port = await freePort();
  const files = {
    'users.txt': `"${server.username}" "${server.password}"\n`,
    'pgbouncer.ini': [
      '[databases]',
      `* = host=${server.hostname} port=${server.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${join(directory, 'users.txt')}`,
      'pool_mode = transaction',
      'default_pool_size = 3',
      'max_client_conn = 500',
      // what pg sends at the start and a shared connection cannot keep
      'ignore_startup_parameters = extra_float_digits',
      '',
    ].join('\n'),
  };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    if (identity) chownSync(join(directory, name), identity.uid, identity.gid);
  }
  if (identity) chownSync(directory, identity.uid, identity.gid);
  const child = spawn(program, ['-q', join(directory, 'pgbouncer.ini')], {
    ...identity,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const unwatch = watchOver(child.pid as number, directory);
  const stop = async (): Promise<void> => {
    unwatch();
    await end(child);
    rmSync(directory, { recursive: true, force: true });
  };
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-2_000);
  });
  const giveUpAt = performance.now() + startDeadlineMs;
  while (!(await accepts(port))) {
    if (performance.now() < giveUpAt && child.exitCode === null) continue;
    await stop();
    throw new Error(`pgbouncer did not start: ${log}`);
  }
  server.port = String(port);
  return { url: server.href, stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const tell = (isOpen: boolean) => () => {
      socket.destroy();
      setTimeout(resolve, isOpen ? 0 : 20, isOpen);
    };
    socket.once('connect', tell(true)).once('error', tell(false));
  });
}
