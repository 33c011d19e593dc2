import { type Figure, formatFigures, isPass, toNone } from '../propagation/figures.ts';
import { createUndo, type Undo } from '../propagation/undo.ts';
import { measureDecision } from './decision.ts';
import { measureEstimate } from './estimate.ts';
import { measureHotRow } from './hot-row.ts';
import { measureRoundTrips } from './round-trips.ts';

const wholeRunMs = 180_000;

/**
 * What limits cost: a decision in memory, an estimate, one hot row from four processes, and what the plain ledger on Redis asks of it.
 * Ends with `verify:leasing PASS` or `verify:leasing FAIL`, and with code 1 for the latter.
 */
async function run(undo: Undo, figures: Figure[]): Promise<void> {
  const parts: readonly (readonly [string, (own: Undo) => Promise<readonly Figure[]>])[] = [
    ['a decision in memory', measureDecision],
    ['an estimate', measureEstimate],
    ['round trips', measureRoundTrips],
    ['leasing-redis', (own) => measureHotRow('leasing-redis', own)],
    ['leasing-postgres', (own) => measureHotRow('leasing-postgres', own)],
  ];
  for (const [what, measure] of parts) {
    const own = undo.keep(createUndo(), (it) => it.run());
    let added: readonly Figure[];
    try {
      added = await measure(own);
    } catch (error) {
      added = [toNone(`${what}: could not be measured`, 1, (error as Error).message)];
    }
    figures.push(...added);
    console.log(`${formatFigures(added)}\n`);
    await own.run();
  }
}

const undo = createUndo();
const figures: Figure[] = [];
let isEnding = false;

async function end(error: unknown, code?: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await undo.run();
  const isGood = error === undefined && isPass(figures);
  if (error !== undefined) console.error(error);
  console.log(`verify:leasing ${isGood ? 'PASS' : 'FAIL'}`);
  process.exit(code ?? (isGood ? 0 : 1));
}

process.on('SIGINT', () => void end(new Error('Ended by SIGINT.'), 130));
process.on('SIGTERM', () => void end(new Error('Ended by SIGTERM.'), 143));
process.on('uncaughtException', (error) => void end(error));
setTimeout(() => void end(new Error(`It took longer than ${wholeRunMs / 1_000} s.`)), wholeRunMs).unref();
run(undo, figures).then(
  () => end(undefined),
  (error: unknown) => end(error),
);
