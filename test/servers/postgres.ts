import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findPostgresBinaries } from './postgres-binaries.ts';
import { isRunning, processTree, signalAll, until } from './processes.ts';
import type { TestServer } from './test-server.ts';
import { watchOver } from './watchdog.ts';

/** How the server is started. */
export interface PostgresOptions {
  /** Whether a commit survives a power cut. @default false, which is faster */
  readonly durable?: boolean;
  /** Starts a server of the test's own even where `DATABASE_URL` names one: for tests that freeze or kill it. @default false */
  readonly own?: boolean;
  /** Settings as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
}

const user = 'headgate';

/**
 * Starts PostgreSQL on a free loopback port in a fresh temporary directory, or uses the one that `DATABASE_URL` names,
 * which can be neither frozen nor killed. The user of the URL is a superuser and has a password.
 *
 * @throws Error that says what to install when there is no PostgreSQL and none can be installed
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestServer> {
  if (process.env.DATABASE_URL && !options.own) return toForeignServer(process.env.DATABASE_URL);
  const binaries = findPostgresBinaries();
  const identity = unprivilegedIdentity();
  const directory = mkdtempSync(join(temporaryRoot(), 'headgate-postgres-'));
  try {
    chmodSync(directory, 0o700);
    const password = randomBytes(18).toString('base64url');
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, password, { mode: 0o600 });
    if (identity) for (const path of [directory, passwordFile]) chownSync(path, identity.uid, identity.gid);
    const data = join(directory, 'data');
    const initialise = ['-D', data, '-U', user, '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
    execFileSync(join(binaries, 'initdb'), [...initialise, '--encoding=UTF8', '--locale=C', '--no-sync'], {
      ...identity,
      cwd: directory,
      stdio: 'pipe',
      env: { ...process.env, LC_ALL: 'C' },
    });
    return await launch({ binaries, directory, data, password, identity, options });
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Starts a server with everything that another one of ours has, which answers writes from then on: the standby that is
 * promoted when a primary is gone. The other one goes on; whoever is sent to this one does not see what it does later.
 */
export async function startSuccessor(primaryUrl: string): Promise<TestServer> {
  const binaries = findPostgresBinaries();
  const identity = unprivilegedIdentity();
  const directory = mkdtempSync(join(temporaryRoot(), 'headgate-postgres-'));
  try {
    chmodSync(directory, 0o700);
    if (identity) chownSync(directory, identity.uid, identity.gid);
    const data = join(directory, 'data');
    const { password } = new URL(primaryUrl);
    const backup = ['-d', primaryUrl, '-D', data, '-X', 'stream', '--checkpoint=fast', '--no-sync'];
    const options = { ...identity, cwd: directory, stdio: 'pipe' } as const;
    // where `postgres` is a link, its companions are where it leads
    const program = join(dirname(realpathSync(join(binaries, 'postgres'))), 'pg_basebackup');
    await promisify(execFile)(program, backup, options);
    return await launch({ binaries, directory, data, password, identity, options: {} });
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

interface Installation {
  readonly binaries: string;
  readonly directory: string;
  readonly data: string;
  readonly password: string;
  readonly identity: Identity | undefined;
  readonly options: PostgresOptions;
}

interface Identity {
  readonly uid: number;
  readonly gid: number;
}

async function launch(installation: Installation): Promise<TestServer> {
  const { directory, password } = installation;
  let port = await findFreePort();
  let child: ChildProcess;
  // another process may have taken the port in the meantime
  for (let attempt = 1; ; attempt++) {
    try {
      child = await startProcess(installation, port);
      break;
    } catch (error) {
      if (attempt === 3) throw error;
      port = await findFreePort();
    }
  }
  let callOff = watchOver(child.pid as number, directory);
  let isStopped = false;
  const members = () => processTree(child.pid as number);
  const ended = async (pids: readonly number[]) => {
    await until(() => !pids.some(isRunning), 'the end of PostgreSQL');
  };
  return {
    url: `postgres://${user}:${password}@127.0.0.1:${port}/postgres`,
    get pid() {
      return child.pid;
    },
    async freeze() {
      // the parent first, so that no child is born unseen
      signalAll([child.pid as number], 'SIGSTOP');
      const pids = members();
      callOff.include(pids);
      signalAll(pids, 'SIGSTOP');
    },
    async thaw() {
      signalAll(members(), 'SIGCONT');
    },
    async kill() {
      const pids = members();
      callOff();
      signalAll(pids, 'SIGKILL');
      await ended(pids);
    },
    async restart() {
      child = await startProcess(installation, port);
      callOff = watchOver(child.pid as number, directory);
    },
    async stop() {
      if (isStopped) return;
      isStopped = true;
      callOff();
      const pids = members();
      signalAll(pids, 'SIGCONT');
      // a fast shutdown: sessions are ended, the log is written
      if (child.exitCode === null && child.signalCode === null) signalAll([child.pid as number], 'SIGINT');
      await ended(pids).catch(() => signalAll(pids, 'SIGKILL'));
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function startProcess(installation: Installation, port: number): Promise<ChildProcess> {
  const { binaries, directory, data, identity, options } = installation;
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: directory,
    max_connections: '150',
    shared_buffers: '32MB',
    fsync: options.durable ? 'on' : 'off',
    ...options.settings,
  };
  const settingArguments = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(join(binaries, 'postgres'), ['-D', data, ...settingArguments], {
    ...identity,
    cwd: directory,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => {
      if (child.exitCode === null) child.kill('SIGKILL');
      reject(new Error(`PostgreSQL did not start: ${why}. ${log.slice(-2_000)}`));
    };
    const timer = setTimeout(() => fail('no answer within two minutes'), 120_000);
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-10_000);
      if (!log.includes('database system is ready to accept connections')) return;
      clearTimeout(timer);
      resolve();
    });
    child.once('error', (error) => fail(error.message));
    child.once('exit', () => {
      clearTimeout(timer);
      fail('it ended');
    });
  });
  // the server outlives no test, so it need not keep the test process
  child.unref();
  (child.stderr as (NodeJS.ReadableStream & { unref?: () => void }) | null)?.unref?.();
  return child;
}

function toForeignServer(url: string): TestServer {
  const refuse = async () => {
    throw new Error(
      'The server that DATABASE_URL names is only used: startPostgres({ own: true }) starts one for this.',
    );
  };
  return {
    url,
    pid: undefined,
    freeze: refuse,
    thaw: refuse,
    kill: refuse,
    restart: refuse,
    stop: async () => {},
  };
}

/** PostgreSQL refuses to run as root. */
export function unprivilegedIdentity(): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const idOf = (flag: string) =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
      return { uid: idOf('-u'), gid: idOf('-g') };
    } catch {
      // no such user here
    }
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user "postgres" nor "nobody".');
}

/** The usual temporary directory, unless another user could not get to it. */
export function temporaryRoot(): string {
  for (let path = tmpdir(); ; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return '/tmp';
    if (path === dirname(path)) return tmpdir();
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
