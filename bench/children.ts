import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A process that the bench started, and ends by its id when the bench itself ends, for whatever reason. */
export interface Child {
  readonly pid: number;
  readonly process: ChildProcess;
  /** The end of its output, to show why it failed. */
  output(): string;
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();
const keptOutput = 4_000;

process.on('exit', () => {
  for (const child of running) signal(child, 'SIGKILL');
});
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => process.exit(1));

// to its own process group, so that workers of a child (nginx, …) go with it
function signal(child: ChildProcess, name: NodeJS.Signals): void {
  try {
    if (child.pid) process.kill(-child.pid, name);
  } catch {
    // gone already
  }
}

export function startChild(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options, detached: true });
  let output = '';
  const keep = (data: Buffer) => {
    output = (output + data.toString()).slice(-keptOutput);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  running.add(child);
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', (error) => {
      output += String(error);
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    process: child,
    output: () => output,
    async stop() {
      signal(child, 'SIGTERM');
      const timer = setTimeout(() => signal(child, 'SIGKILL'), 2_000);
      await gone;
      clearTimeout(timer);
      // whatever is left of its group
      signal(child, 'SIGKILL');
      running.delete(child);
    },
  };
}

/** Runs to the end and returns the text on stdout. @throws Error with the end of its output, also past `timeoutMs` */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { timeoutMs: number },
): Promise<string> {
  const child = startChild(command, args, options);
  let text = '';
  child.process.stdout?.on('data', (data: Buffer) => {
    text += data.toString();
  });
  const timer = setTimeout(() => void child.stop(), options.timeoutMs);
  const code = await new Promise<number | null>((resolve) => {
    child.process.once('close', resolve);
    child.process.once('error', () => resolve(null));
  });
  clearTimeout(timer);
  await child.stop();
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${child.output().trim()}`);
  return text;
}

/** Resident memory of a process and its descendants, in KiB. Linux only; `NaN` elsewhere. */
export function readRssKb(pid: number): number {
  return sumOverTree(pid, (id) =>
    Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1]),
  );
}

/** Processor time that a process and its descendants have used, to 10 ms. Linux only; `NaN` elsewhere. */
export function readCpuMs(pid: number): number {
  return sumOverTree(pid, (id) => {
    const stat = readFileSync(`/proc/${id}/stat`, 'utf8');
    // the name before it may hold anything, so fields are counted after its closing parenthesis
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  });
}

function sumOverTree(pid: number, figure: (pid: number) => number): number {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    return children.reduce((sum, child) => sum + sumOverTree(Number(child), figure), figure(pid));
  } catch {
    return Number.NaN;
  }
}
