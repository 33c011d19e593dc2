import { writeFileSync } from 'node:fs';
import { dialects } from './dialects.ts';
import { formatMatrix, type MatrixLine } from './matrix.ts';
import { runRow } from './run-row.ts';
import { faultTable } from './table/index.ts';

const help = `node scripts/verify/faults.ts [options]

Runs every fault of the table against gateways on loopback, in every dialect, and looks at each from both sides.

  --row ID        only these rows; may be given several times
  --dialect NAME  only these dialects; may be given several times
  --fast          without what takes long or much memory
  --json FILE     writes what was found
  --help`;

const words = process.argv.slice(2);
const valuesOf = (option: string): string[] =>
  words.flatMap((word, index) => (words[index - 1] === option ? [word] : []));

if (words.includes('--help')) {
  console.log(help);
  process.exit(0);
}
const rows = valuesOf('--row');
const names = valuesOf('--dialect');
const chosen = dialects.filter(({ name }) => names.length === 0 || names.includes(name));
const lines: MatrixLine[] = [];
const limitMs = 900_000;
const timer = setTimeout(() => end(`It took longer than ${limitMs / 1_000} s.`), limitMs);
let isOver = false;

function end(problem?: string): void {
  if (isOver) return;
  isOver = true;
  clearTimeout(timer);
  if (problem) console.error(problem);
  const isGood = !problem && lines.length > 0 && lines.every(({ verdict }) => verdict !== 'FAIL');
  const [file] = valuesOf('--json');
  if (file) writeFileSync(file, `${JSON.stringify({ pass: isGood, lines }, null, 2)}\n`);
  console.log(`verify:faults ${isGood ? 'PASS' : 'FAIL'}`);
  process.exit(isGood ? 0 : 1);
}

process.on('uncaughtException', (error) => end(`uncaught: ${error.stack}`));

for (const row of faultTable) {
  if (rows.length > 0 && !rows.includes(row.id)) continue;
  const added = await runRow(row, chosen, !words.includes('--fast'));
  lines.push(...added);
  console.log(formatMatrix(added));
}
const count = (verdict: string) => lines.filter((line) => line.verdict === verdict).length;
console.log(`\n${count('ok')} as expected, ${count('FAIL')} not, ${count('skip')} skipped`);
end();
