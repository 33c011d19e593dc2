import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createKey, createNoPepperRing, createRuntime, hashSecret } from 'headgate';

/** `headgate serve` with some workers, before an upstream. */
export interface Site {
  readonly url: string;
  readonly key: string;
  /** Seconds of processor time that each worker has taken. */
  workerSeconds(): Promise<number[]>;
  close(): Promise<void>;
}

const bin = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));

/** @param amount requests that the organisation may make in all */
export async function openSite(workers: number, amount: number): Promise<Site> {
  const upstream = fork(new URL('./upstream-process.ts', import.meta.url));
  const [port] = (await once(upstream, 'message')) as [number];
  const { key, kid, secret } = createKey(createRuntime(), { environment: 'live' });
  const record = {
    kid,
    ...hashSecret(createNoPepperRing(), secret),
    team: 'web',
    environment: 'live',
    createdAtMs: 0,
    last4: secret.slice(-4),
  };
  const directory = await mkdtemp(join(tmpdir(), 'headgate-verify-workers-'));
  const config = {
    providers: { openai: { type: 'openai', apiKey: 'x', baseUrl: `http://127.0.0.1:${port}/v1` } },
    models: { 'gpt-4.1': { targets: ['openai'], price: { input: 2, output: 8 } } },
    profiles: { standard: { limits: [{ unit: 'parallel', amount: 1_000 }] } },
    teams: { web: { profile: 'standard', limits: [{ unit: 'usd', amount: 1_000, window: '1d' }] } },
    limits: [{ unit: 'requests', amount, window: 'lifetime' }],
    keys: [record],
  };
  await writeFile(join(directory, 'headgate.config.json'), JSON.stringify(config));
  const server = spawn(
    process.execPath,
    [bin, 'serve', '--port', '0', '--json', '--workers', String(workers), '--limits', 'sqlite:limits.db'],
    { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let told = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  const [line] = (await Promise.race([
    once(server.stdout.setEncoding('utf8'), 'data'),
    once(server, 'exit').then(() => {
      throw new Error(`headgate serve ended: ${told}`);
    }),
  ])) as [string];
  const { url } = JSON.parse(line) as { url: string };
  await until(
    async () =>
      (await workersOf(server, workers)).length === workers &&
      (workers === 1 || told.includes('workers share')),
  );
  return {
    url,
    key,
    workerSeconds: async () => await Promise.all((await workersOf(server, workers)).map(secondsOf)),
    async close() {
      server.kill('SIGTERM');
      if (server.exitCode === null) await once(server, 'exit');
      upstream.disconnect();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function workersOf(server: ChildProcess, workers: number): Promise<number[]> {
  if (workers === 1) return [server.pid as number];
  const text = await readFile(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
}

/** User and system time, in ticks of a hundredth of a second. */
async function secondsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('The workers did not begin within ten seconds.');
}
