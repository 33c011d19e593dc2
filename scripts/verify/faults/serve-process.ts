import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GatewayConfig } from '../../../src/config/schema.ts';
import type { RequestRecord } from '../../../src/telemetry/record.ts';

const loader = fileURLToPath(new URL('../propagation/source-loader.ts', import.meta.url));
const command = fileURLToPath(new URL('../../../src/cli/bin.ts', import.meta.url));
const startMs = 20_000;

/** `headgate serve` in a process of its own, from the source. */
export interface ServeProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** What it wrote. */
  readonly written: { stdout: string; stderr: string };
  readonly exit: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** Records in its file; none when they go elsewhere. */
  records(): Promise<readonly RequestRecord[]>;
  close(): Promise<void>;
}

/** How it is started. */
export interface ServeOptions {
  readonly config: GatewayConfig;
  readonly arguments?: readonly string[];
  /** Where records go. @default a file of its own */
  readonly recordsPath?: string;
  /** Most open files. @default what the system allows */
  readonly openFiles?: number;
}

/** Starts a server and waits until it listens. */
export async function startServe(options: ServeOptions): Promise<ServeProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'headgate-verify-'));
  const path = join(directory, 'headgate.config.json');
  const recordsPath = options.recordsPath ?? join(directory, 'records.jsonl');
  await writeFile(path, JSON.stringify(options.config));
  const words = ['--import', loader, command, 'serve', '--config', path, '--port', '0', '--json'];
  const all = [...words, '--records', recordsPath, ...(options.arguments ?? [])];
  const { openFiles } = options;
  const environment = { PATH: process.env.PATH, NODE_NO_WARNINGS: '1' };
  const child =
    openFiles === undefined
      ? spawn(process.execPath, all, { cwd: directory, env: environment })
      : // exec keeps the process id, so that it is the server that is ended
        spawn('/bin/sh', ['-c', `ulimit -n ${openFiles}; exec "$@"`, 'sh', process.execPath, ...all], {
          cwd: directory,
          env: environment,
        });
  const written = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    written.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    written.stderr += text;
  });
  const exit = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const untilMs = performance.now() + startMs;
  while (!written.stdout.includes('\n')) {
    if (performance.now() > untilMs || child.exitCode !== null) {
      child.kill('SIGKILL');
      throw new Error(`It did not start: ${written.stderr}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { url } = JSON.parse(written.stdout.split('\n')[0] ?? '') as { url: string };
  return {
    url,
    child,
    written,
    exit,
    async records() {
      const text = await readFile(recordsPath, 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as RequestRecord);
    },
    async close() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exit;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
