import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A program of the tests in a process of its own. */
export interface Child {
  readonly process: ChildProcess;
  /** The next line that it prints; `undefined` when it prints no more. */
  line(): Promise<string | undefined>;
  /** Its exit code; `null` when it was killed. */
  readonly ended: Promise<number | null>;
}

/** Starts a TypeScript program that stands beside the tests. `shell` wraps its start, as `ulimit -f 8; exec "$@"`. */
export function startChild(name: string, args: readonly string[], shell?: string): Child {
  const program = fileURLToPath(new URL(name, import.meta.url));
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', program, ...args];
  const [file, ...rest] = shell ? ['sh', '-c', shell, 'sh', ...command] : command;
  const child = spawn(file as string, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return {
    process: child,
    line: async () => (await lines.next()).value as string | undefined,
    ended: once(child, 'exit').then(([code]) => code as number | null),
  };
}
