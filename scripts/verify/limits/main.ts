import { toLeast } from '../propagation/figures.ts';
import type { Undo } from '../propagation/undo.ts';
import { runVerification, type Verification } from '../run-verification.ts';
import { judge } from './judge.ts';
import { isLeasing, type LedgerName, ledgerNames } from './ledgers.ts';
import { playMillion } from './million.ts';
import { help, type Options, parseOptions } from './options.ts';
import { play, type Result } from './play.ts';
import { freezeMs } from './settings.ts';
import { startStage } from './stage-processes.ts';
import { playStandstill } from './standstill.ts';

const wholeRunMs = 3_600_000;

/**
 * Whether limits hold: gateways over each ledger under a load that is as bad as callers are, killed and frozen, with an
 * audit from outside; then a million reservations made directly, and Redis standing still for half a minute. Ends with
 * `verify:limits PASS` or `verify:limits FAIL`, and with code 1 for the latter.
 */
async function run({ ledgers, isQuick }: Options, verification: Verification): Promise<void> {
  const { part, show, figures, details } = verification;
  for (const name of ledgers) {
    await part(name, async (own) => {
      const result = await playGateways(name, own);
      details[name] = withoutTimings(result);
      return judge(name, result, isLeasing(name));
    });
  }
  if (isQuick) return;
  for (const name of ledgers) await part(`${name}, directly`, (own) => playMillion(name, own));
  if (ledgers.includes('redis')) await part('redis, frozen for half a minute', playStandstill);
  if (ledgers.length < ledgerNames.length) return;
  const made = figures.filter(({ what }) => what.endsWith(': reservations'));
  const sum = made.reduce((total, { value }) => total + value, 0);
  show([toLeast('reservations in all', sum, 1_000_000, 'each of the figures above is of all of them')]);
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
if (options) {
  runVerification({ name: 'limits', wholeRunMs, json: options.json }, (verification) =>
    run(options, verification),
  );
} else console.log(help);
