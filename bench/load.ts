import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runToEnd } from './children.ts';

export interface LoadOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** File with the request body. */
  readonly bodyFile: string;
  readonly connections: number;
  readonly durationMs: number;
}

export interface LoadResult {
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly requests: number;
}

export const hasWrk = spawnSync('wrk', ['-v']).error === undefined;

/** Which generator is used; recorded with the results. */
export const loadGenerator = `${hasWrk ? 'wrk, 1 thread' : 'undici, 1 process'}; bench/lone-caller.ts at one connection`;

/**
 * One run of load: `connections` keep-alive connections, the next request as soon as the last reply is whole.
 *
 * `undefined` when no reply was whole before the end.
 *
 * @throws Error when a reply was an error or a connection broke: a subject that fails has no throughput.
 */
export async function runLoad(options: LoadOptions): Promise<LoadResult | undefined> {
  const seconds = Math.max(1, Math.round(options.durationMs / 1000));
  const env = {
    ...process.env,
    BENCH_BODY: options.bodyFile,
    BENCH_HEADERS: Object.entries(options.headers)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n'),
  };
  const { connections, url } = options;
  const [command, args] = toCommand(url, connections, seconds);
  const text = await runToEnd(command, args, { env, timeoutMs: seconds * 1000 + 60_000 });
  const result = JSON.parse(text.trim().split('\n').at(-1) ?? '') as Record<string, number>;
  const { requests = 0, durationUs = 1, p50Us = 0, p99Us = 0, errors = 0, refused = 0 } = result;
  if (errors + refused > 0) throw new Error(`${refused} error replies and ${errors} broken connections`);
  if (requests === 0) return undefined;
  return { rps: (requests * 1e6) / durationUs, p50Ms: p50Us / 1000, p99Ms: p99Us / 1000, requests };
}

function toCommand(url: string, connections: number, seconds: number): [string, string[]] {
  if (connections === 1) return [process.execPath, [fileOf('lone-caller.ts'), url, String(seconds)]];
  if (!hasWrk)
    return [process.execPath, [fileOf('load-without-wrk.ts'), url, String(connections), String(seconds)]];
  const lengths = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s'];
  return ['wrk', [...lengths, '-s', fileOf('load.lua'), url]];
}

function fileOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
