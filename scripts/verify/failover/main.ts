import { writeFileSync } from 'node:fs';
import { type Figure, formatFigures, isPass, toNone } from '../propagation/figures.ts';
import { measureDecision } from './decision.ts';
import { measureHappyPath } from './happy-path.ts';
import { measureOutage } from './outage.ts';
import { measureSplit } from './split.ts';
import { measureStorm } from './storm.ts';

const help = `node scripts/verify/failover.ts [options]

Measures failover: how soon the next target is asked, what a dead target gets, how soon it is served again, what a storm
of failures makes of requests, whether shares are kept, and what all of this costs a request to which nothing happens.

  --baseline REF  what the cost is compared with; "none" leaves it out  [the commit before failure classes]
  --json FILE     writes the figures
  --help`;

const words = process.argv.slice(2);
const toOption = (option: string): string | undefined =>
  words.includes(option) ? words[words.indexOf(option) + 1] : undefined;
if (words.includes('--help')) {
  console.log(help);
  process.exit(0);
}
// the last one whose attempts had neither classes nor budgets, and whose plans were lists
const baseline = toOption('--baseline') ?? '6eb6afb';
const figures: Figure[] = [];
const skipped: string[] = [];
const limitMs = 600_000;
let isOver = false;

function end(problem?: unknown): void {
  if (isOver) return;
  isOver = true;
  if (problem) console.error(problem);
  for (const reason of skipped) console.log(`skipped: ${reason}`);
  const isGood = !problem && isPass(figures);
  const file = toOption('--json');
  if (file) writeFileSync(file, `${JSON.stringify({ pass: isGood, figures, skipped }, null, 2)}\n`);
  console.log(`verify:failover ${isGood ? 'PASS' : 'FAIL'}`);
  process.exit(isGood ? 0 : 1);
}

process.on('uncaughtException', end);
// the gateway's own timers keep no process alive: this one does
setTimeout(() => end(`It took longer than ${limitMs / 1_000} s.`), limitMs);

async function show(what: string, measure: () => Promise<readonly Figure[]>): Promise<void> {
  let added: readonly Figure[];
  try {
    added = await measure();
  } catch (error) {
    console.error(error);
    added = [toNone(`${what}: could not be measured`, 1, (error as Error).message)];
  }
  figures.push(...added);
  if (added.length > 0) console.log(`${formatFigures(added)}\n`);
}

await show('decision', measureDecision);
await show('outage', measureOutage);
await show('storm', measureStorm);
await show('split', measureSplit);
if (baseline === 'none') skipped.push('the cost of the happy path, as asked for');
else
  await show('happy path', async () => {
    const happy = await measureHappyPath(baseline);
    if (happy.skipped) skipped.push(happy.skipped);
    return happy.figures;
  });
end();
