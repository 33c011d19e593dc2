import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort } from './free-port.ts';
import { installPackage } from './install-package.ts';
import type { TestServer } from './test-server.ts';
import { watchOver } from './watchdog.ts';

/** How a Redis server for tests is started. */
export interface StartRedisOptions {
  /** Keeps an append-only file, each write synced, so that `restart` finds everything. @default false */
  readonly appendonly?: boolean;
  /** More arguments, as on the command line: `['--maxmemory', '2mb']`. */
  readonly arguments?: readonly string[];
  /** Starts a server of the test's own even where `REDIS_URL` names one: for tests that freeze or kill it. @default false */
  readonly own?: boolean;
}

const startDeadlineMs = 60_000;

/**
 * Starts a Redis or Valkey server on a free loopback port, with a temporary directory and without persistence. With
 * `REDIS_URL` in the environment that server is used instead, unless `own` or another option asks for one that the
 * test may do anything to; it cannot be frozen, killed or restarted.
 *
 * @throws Error when there is no server program and none can be installed, or it does not answer within a minute
 */
export async function startRedis(options: StartRedisOptions = {}): Promise<TestServer> {
  const given = process.env.REDIS_URL;
  const needsOwn = options.own || options.appendonly || options.arguments?.length;
  if (given && !needsOwn) return foreignServer(given);
  const program = redisProgram();
  for (let attempt = 1; ; attempt++) {
    try {
      return await startProgram(program, await freePort(), options);
    } catch (error) {
      // another process may have taken the port between the search and the start
      if (attempt === 3) throw error;
    }
  }
}

async function startProgram(program: string, port: number, options: StartRedisOptions): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'headgate-redis-'));
  const parameters = [
    ...['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', ''],
    ...['--appendonly', options.appendonly ? 'yes' : 'no', '--appendfsync', 'always'],
    ...['--daemonize', 'no', '--loglevel', 'warning', '--repl-diskless-sync-delay', '0'],
    ...(options.arguments ?? []),
  ];
  let child: ChildProcess | undefined;
  let unwatch = () => {};

  const start = async (): Promise<void> => {
    const started = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    if (started.pid !== undefined) unwatch = watchOver(started.pid, directory);
    let output = '';
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-4_000);
      });
    }
    const failed = new Promise<never>((_, reject) => {
      started.once('error', reject);
      started.once('exit', (code) => reject(new Error(`${program} ended with code ${code}: ${output}`)));
    });
    failed.catch(() => undefined);
    await Promise.race([untilItAnswers(port), failed]);
  };
  const end = async (): Promise<void> => {
    const ending = child;
    child = undefined;
    unwatch();
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
    const ended = new Promise((resolve) => ending.once('exit', resolve));
    // SIGKILL also ends a process that SIGSTOP has stopped
    ending.kill('SIGKILL');
    await ended;
  };

  const stop = async (): Promise<void> => {
    await end();
    await rm(directory, { recursive: true, force: true });
  };
  await start().catch(async (error) => {
    await stop();
    throw error;
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child?.pid;
    },
    stop,
    async freeze() {
      child?.kill('SIGSTOP');
    },
    async thaw() {
      child?.kill('SIGCONT');
    },
    kill: end,
    restart: start,
  };
}

function foreignServer(url: string): TestServer {
  const refuse = async (): Promise<never> => {
    throw new Error(
      'The server that REDIS_URL names is only used: startRedis({ own: true }) starts one for this.',
    );
  };
  return {
    url,
    pid: undefined,
    stop: async () => undefined,
    freeze: refuse,
    thaw: refuse,
    kill: refuse,
    restart: refuse,
  };
}

function findProgram(): string | undefined {
  const directories = (process.env.PATH ?? '').split(delimiter);
  return ['redis-server', 'valkey-server']
    .flatMap((name) => directories.map((directory) => join(directory, name)))
    .find((path) => existsSync(path));
}

/** Path of the server program, installed if need be. @throws Error when there is none and none can be installed */
export function redisProgram(): string {
  const found = findProgram();
  if (found) return found;
  installPackage('redis-server');
  const program = findProgram();
  if (program) return program;
  throw new Error('These tests need a Redis: install redis-server or valkey-server, or set REDIS_URL.');
}

async function untilItAnswers(port: number): Promise<void> {
  const giveUpAt = Date.now() + startDeadlineMs;
  while (!(await answers(port))) {
    if (Date.now() > giveUpAt)
      throw new Error(`Redis on port ${port} did not answer in ${startDeadlineMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether it answers a PING; a refusal of the unauthenticated is an answer, that it is still loading is none. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(500, () => end(false));
    socket.once('error', () => end(false));
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (data) => end(/^(\+PONG|-NOAUTH)/.test(data.toString())));
  });
}
