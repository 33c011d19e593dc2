import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Figure, toTime } from '../propagation/figures.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../../', import.meta.url));
const program = 'scripts/verify/failover/happy-path-process.ts';
const loader = 'scripts/verify/propagation/source-loader.ts';
const rounds = 7;

/** Microseconds a request. */
interface Costs {
  readonly whole: number;
  readonly stream: number;
}

const limit = 5;

/** What was measured, or why it was not. */
export interface HappyPath {
  readonly figures: readonly Figure[];
  readonly skipped?: string;
}

/**
 * What routing, attempts and their guards cost a request to which nothing happens: this source against that of a commit
 * before them, by turns, so that a slow minute of the machine slows both.
 */
export async function measureHappyPath(baseline: string): Promise<HappyPath> {
  const directory = await mkdtemp(join(tmpdir(), 'headgate-baseline-'));
  try {
    const { stdout } = await run(
      'git',
      ['archive', '--format=tar', baseline, 'src', 'package.json', 'tsconfig.json'],
      {
        cwd: root,
        encoding: 'buffer',
        maxBuffer: 100_000_000,
      },
    );
    const unpacking = run('tar', ['-x', '-C', directory]);
    unpacking.child.stdin?.end(stdout);
    await unpacking;
    await cp(join(root, 'scripts'), join(directory, 'scripts'), { recursive: true });
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    return {
      figures: [],
      skipped: `the commit ${baseline} is not at hand: ${(error as Error).message.split('\n')[0]}`,
    };
  }
  try {
    const before: Costs[] = [];
    const after: Costs[] = [];
    const rescued: Costs[] = [];
    for (let round = 0; round < rounds; round++) {
      before.push(await measure(directory));
      after.push(await measure(root));
      // what was before knows none; in a process of its own, as all are
      rescued.push(await measure(root, '--rescue'));
    }
    const bestOf = (costs: readonly Costs[], name: keyof Costs) =>
      Math.min(...costs.map((cost) => cost[name]));
    const [whole, stream] = [bestOf(before, 'whole'), bestOf(before, 'stream')];
    return {
      figures: [
        toFigure('a request', whole, bestOf(after, 'whole')),
        toFigure('a stream of 200 deltas', stream, bestOf(after, 'stream')),
        toFigure('one that could be rescued', stream, bestOf(rescued, 'stream')),
      ],
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function measure(directory: string, ...more: readonly string[]): Promise<Costs> {
  const words = ['--import', join(directory, loader), join(directory, program), ...more];
  const { stdout } = await run(process.execPath, words, { cwd: directory, timeout: 120_000 });
  return JSON.parse(stdout) as Costs;
}

function toFigure(what: string, before: number, now: number): Figure {
  return toTime(
    `happy path: added to ${what}`,
    Math.max(0, now - before),
    limit,
    `${before.toFixed(1)} µs before, ${now.toFixed(1)} µs now`,
    'us',
  );
}
