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
const rounds = 5;

interface Costs {
  readonly whole: number;
  readonly stream: number;
}

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
    for (let round = 0; round < rounds; round++) {
      before.push(await measure(directory));
      after.push(await measure(root));
    }
    return { figures: [toFigure('whole', before, after), toFigure('stream', before, after)] };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function measure(directory: string): Promise<Costs> {
  const words = ['--import', join(directory, loader), join(directory, program)];
  const { stdout } = await run(process.execPath, words, { cwd: directory, timeout: 120_000 });
  return JSON.parse(stdout) as Costs;
}

function toFigure(name: keyof Costs, before: readonly Costs[], after: readonly Costs[]): Figure {
  const best = (costs: readonly Costs[]) => Math.min(...costs.map((cost) => cost[name]));
  const [one, other] = [best(before), best(after)];
  const what =
    name === 'whole' ? 'happy path: added to a request' : 'happy path: added to a stream of 200 deltas';
  // 200 events pass the guards of a stream: what is promised is for the request
  const limit = name === 'whole' ? 5 : 25;
  return toTime(
    what,
    Math.max(0, other - one),
    limit,
    `${one.toFixed(1)} µs before, ${other.toFixed(1)} µs now`,
    'us',
  );
}
