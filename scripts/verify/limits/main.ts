import { writeFileSync } from 'node:fs';
import { type Figure, formatFigures, isPass, toNone } from '../propagation/figures.ts';
import { createUndo, type Undo } from '../propagation/undo.ts';
import { judge } from './judge.ts';
import { isLeasing, type LedgerName } from './ledgers.ts';
import { playMillion, reservationsOf } from './million.ts';
import { help, type Options, parseOptions } from './options.ts';
import { play, type Result } from './play.ts';
import { freezeMs } from './settings.ts';
import { startStage } from './stage-processes.ts';
import { playStandstill } from './standstill.ts';

const wholeRunMs = { usual: 600_000, full: 3_600_000 };

/**
 * Whether limits hold: gateways over each ledger under a load that is as bad as callers are, killed and frozen, with an
 * audit from outside. Ends with `verify:limits PASS` or `verify:limits FAIL`, and with code 1 for the latter.
 */
async function run(
  options: Options,
  undo: Undo,
  figures: Figure[],
  details: Record<string, unknown>,
): Promise<void> {
  const show = (added: readonly Figure[]): void => {
    figures.push(...added);
    console.log(`${formatFigures(added)}\n`);
  };
  // each with everything of its own, ended before the next begins
  const verify = async (what: string, act: (own: Undo) => Promise<readonly Figure[]>): Promise<void> => {
    const own = undo.keep(createUndo(), (it) => it.run());
    console.error(`${(performance.now() / 1_000).toFixed(0)} s  ${what}`);
    try {
      show(await act(own));
    } catch (error) {
      show([toNone(`${what}: could not be verified`, 1, (error as Error).message)]);
      console.error(error);
    }
    await own.run();
  };
  for (const name of options.ledgers) {
    await verify(name, async (own) => {
      const result = await playGateways(name, own);
      details[name] = withoutTimings(result);
      return judge(name, result, isLeasing(name));
    });
  }
  if (!options.full) return;
  let reservations = 0;
  for (const name of options.ledgers) {
    await verify(`${name}, directly`, (own) => playMillion(name, own));
    reservations += reservationsOf[name];
  }
  console.log(
    `${reservations} reservations made directly, without requests, by processes that were not killed\n`,
  );
  if (options.ledgers.includes('redis')) await verify('redis, frozen for half a minute', playStandstill);
}

async function playGateways(name: LedgerName, undo: Undo): Promise<Result> {
  const isShared = name !== 'memory';
  return play(await startStage(name, undo), {
    loadMs: isShared ? 16_000 : 12_000,
    // one while what was slow when the window ended is open, one in the middle of the standstill
    killsMs: isShared ? [2_800, 7_000] : [],
    freeze: isShared ? { atMs: 5_000, forMs: freezeMs } : undefined,
  });
}

/** As it goes into the file of figures. */
function withoutTimings({ load, ...result }: Result): object {
  const { timings: _, whole, ...rest } = load;
  return { ...result, load: { ...rest, whole: whole.length } };
}

const options = parseOptions(process.argv.slice(2));
if (!options) {
  console.log(help);
  process.exit(0);
}
const undo = createUndo();
const figures: Figure[] = [];
const details: Record<string, unknown> = {};
let isEnding = false;

async function end(error: unknown, code?: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await undo.run();
  const isGood = error === undefined && isPass(figures);
  if (error !== undefined) console.error(error);
  if (options?.json)
    writeFileSync(options.json, `${JSON.stringify({ pass: isGood, figures, details }, null, 2)}\n`);
  console.log(`verify:limits ${isGood ? 'PASS' : 'FAIL'}`);
  process.exit(code ?? (isGood ? 0 : 1));
}

for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(name, () => void end(new Error(`Ended by ${name}.`), code));
}
process.on('uncaughtException', (error) => void end(error));
const limitMs = options.full ? wholeRunMs.full : wholeRunMs.usual;
setTimeout(() => void end(new Error(`It took longer than ${limitMs / 1_000} s.`)), limitMs).unref();
run(options, undo, figures, details).then(
  () => end(undefined),
  (error: unknown) => end(error),
);
