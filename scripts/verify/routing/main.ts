import { type Figure, formatFigures, isPass, toTime } from '../propagation/figures.ts';
import { costCases, measureCost } from './cost.ts';

const help = `node scripts/verify/routing.ts

Measures what choosing a route and making a plan costs a request to which nothing happens, in CPU time of this process: over
a hundred routes that are not for it, and in splits by turns, by session and by how prompts begin.`;

/** The most that is promised, in microseconds. */
const most = 5;

if (process.argv.includes('--help')) {
  console.log(help);
  process.exit(0);
}
const [first, ...others] = costCases;
if (!first) throw new Error('There is nothing to measure.');
const plain = measureCost(first);
const figures = others.map(
  (one): Figure =>
    toTime(one.name, Math.max(0, measureCost(one) - plain), most, `${plain.toFixed(2)} µs without`, 'us'),
);
console.log(`${formatFigures(figures)}\n`);
const isGood = isPass(figures);
console.log(`verify:routing ${isGood ? 'PASS' : 'FAIL'}`);
process.exit(isGood ? 0 : 1);
