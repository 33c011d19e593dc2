import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Io } from '../../src/cli/io.ts';
import { main } from '../../src/cli/main.ts';
import type { IssuedKey } from '../../src/keys/issue-key.ts';

/** A temporary directory with the given files. */
export async function createDirectory(files: Readonly<Record<string, string>> = {}) {
  const path = await mkdtemp(join(tmpdir(), 'headgate-cli-'));
  const write = async (name: string, text: string) => {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), text);
  };
  for (const [name, text] of Object.entries(files)) await write(name, text);
  return {
    path,
    write,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
    },
  };
}

export interface RunOptions {
  readonly cwd?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly stdin?: string;
  readonly isTTY?: boolean;
}

/** A command that was started in this process. */
export interface StartedCommand {
  readonly code: Promise<number>;
  readonly exits: readonly number[];
  stdout(): string;
  stderr(): string;
  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGHUP'): void;
}

/** Starts a command with its own streams, environment and signals. */
export function start(argv: readonly string[], options: RunOptions = {}): StartedCommand {
  const written = { stdout: '', stderr: '' };
  const exits: number[] = [];
  const actions = new Map<string, Set<() => void>>();
  const toOutput = (name: 'stdout' | 'stderr') => ({
    isTTY: options.isTTY ?? false,
    write: (text: string) => {
      written[name] += text;
    },
  });
  const io: Io = {
    stdout: toOutput('stdout'),
    stderr: toOutput('stderr'),
    environment: options.environment ?? {},
    cwd: options.cwd ?? '/nonexistent',
    readStdin: () => Promise.resolve(options.stdin ?? ''),
    onSignal(signal, action) {
      const known = actions.get(signal) ?? new Set();
      actions.set(signal, known.add(action));
      return () => known.delete(action);
    },
    exit: (code) => exits.push(code),
  };
  return {
    code: main(argv, io),
    exits,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    signal: (name) => {
      for (const action of [...(actions.get(name) ?? [])]) action();
    },
  };
}

/** Runs a command to its end. */
export async function run(argv: readonly string[], options: RunOptions = {}) {
  const command = start(argv, options);
  const code = await command.code;
  return { code, stdout: command.stdout(), stderr: command.stderr() };
}

/** What a process writes, growing as it does. */
export function readOutput(child: ChildProcess) {
  const written = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    written.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    written.stderr += text;
  });
  return written;
}

/** Waits until `find` gives something. @throws Error when it does not within a minute */
export async function until<T>(
  find: () => T | undefined | false | Promise<T | undefined | false>,
  what = 'the event',
): Promise<T> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const found = await find();
    if (found) return found;
    if (performance.now() > deadlineMs) throw new Error(`${what} did not come within a minute`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A small valid configuration, as JSON. */
export function toConfigText(upstreamUrl: string, more: object = {}): string {
  return JSON.stringify({
    providers: { openai: { type: 'openai', baseUrl: `${upstreamUrl}/v1`, apiKey: 'sk-upstream' } },
    models: { 'gpt-4.1': { targets: ['openai'], aliases: ['smart'] } },
    profiles: { standard: { models: ['gpt-*'], limits: [{ unit: 'requests', amount: 100, window: '1m' }] } },
    teams: { web: { profile: 'standard' } },
    ...more,
  });
}

/** Makes a key with the CLI itself. */
export async function createKey(argv: readonly string[], options: RunOptions = {}) {
  const { code, stdout, stderr } = await run(['keys', 'create', '--json', ...argv], options);
  if (code !== 0) throw new Error(`keys create: ${code}: ${stderr}`);
  return JSON.parse(stdout) as IssuedKey;
}
