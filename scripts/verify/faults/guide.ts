import { scenarios } from './scenarios/index.ts';
import { connectionRows } from './table/connection-rows.ts';
import { processRows } from './table/process-rows.ts';
import { refusalRows } from './table/refusal-rows.ts';
import { replyRows } from './table/reply-rows.ts';
import type { CallerGets, Charge, Count, Expectation, FaultCase, FaultRow } from './table/row.ts';
import { streamRows } from './table/stream-rows.ts';

const chapters: readonly (readonly [title: string, text: string, rows: readonly FaultRow[]])[] = [
  [
    'The target cannot be reached',
    'What decides here is whether nothing has been sent, or nobody can tell what became of it.',
    connectionRows,
  ],
  [
    'A stream breaks',
    'Providers fail after `200 OK`, too. Until the first content, nothing of the reply reaches the caller. After it, the `rescue` of the route decides.',
    streamRows,
  ],
  ['A reply is not valid', 'What no provider means to send is never passed on.', replyRows],
  [
    'The provider says no',
    'Whose fault it is decides who is asked next: nobody, another credential, or another target.',
    refusalRows,
  ],
  [
    'The process is in trouble',
    'What is running finishes, or ends with an error; either way it is settled.',
    processRows,
  ],
];

/** `docs/what-happens-when.md`, from the table that `npm run verify:faults` runs. */
export function toGuide(): string {
  const body = chapters.map(([title, text, rows]) =>
    [`## ${title}`, text, ...rows.map(toSection)].join('\n\n'),
  );
  return `${[head, ...body].join('\n\n')}\n`;
}

const head = `# What happens when…

<!-- Written by scripts/verify/faults/write-guide.ts from the table that \`npm run verify:faults\` runs. Change that. -->

This guide tells what a caller gets when something goes wrong, what is asked again, and what is counted. It is the table
that \`npm run verify:faults\` runs, in the dialects of OpenAI (chat and responses), Anthropic and Gemini, streamed and
whole, against upstreams that fail in each of these ways. For every line it checks both sides: what the caller got, and what
reached the targets. In all cases:

- an error is in the caller's dialect, with \`x-request-id\`, and contains no secret and no text from a proxy;
- there is one record of the request, under the ID that the caller has;
- what was held of limits is settled, once;
- a partial answer never ends as if it were whole.

"Counted" is what budgets are charged with: *what was used* is what the provider reports; *input* and *input and what was
delivered* are estimates, where a provider may charge but reports nothing; *both* is the sum over two targets.`;

function toSection(row: FaultRow): string {
  const parts = [`### ${row.title}`];
  if (row.note) parts.push(row.note);
  if (row.cases.length > 0) parts.push(toTable(row.cases));
  const names = row.scenarios ?? [];
  const lines = names.flatMap((name) => {
    const scenario = scenarios[name];
    return scenario ? [`- ${toSentence(scenario.title)}`] : [];
  });
  if (lines.length > 0) parts.push(lines.join('\n'));
  return parts.join('\n\n');
}

function toTable(cases: readonly FaultCase[]): string {
  const lines = cases.map(
    (it) =>
      `| ${it.name || 'always'} | ${toCaller(it.expect.caller)} | ${toAsked(it.expect)} | ${charges[it.expect.charged]} |`,
  );
  return ['| when | the caller gets | asked | counted |', '|---|---|---|---|', ...lines].join('\n');
}

const charges: Readonly<Record<Charge, string>> = {
  nothing: 'nothing',
  input: 'input',
  delivered: 'input and what was delivered',
  estimate: 'an estimate of input and answer',
  actual: 'what was used',
  both: 'both',
};

function toCaller(caller: CallerGets): string {
  switch (caller.what) {
    case 'answer':
      return caller.from === 'first' ? 'the answer' : 'the answer of the next target';
    case 'rescued answer':
      return 'one whole answer: the beginning from the first, the rest from the second';
    case 'error':
      return `${caller.status} \`${caller.code}\`${caller.wait ? ', with `retry-after`' : ''}`;
    case 'stream error':
      return `the beginning, then an error event: ${caller.codes.map((code) => `\`${code}\``).join(' or ')}`;
    case 'refusal':
      return `${caller.status}, in the provider's words`;
    case 'broken connection':
      return `a broken connection (\`${caller.code}\` in the record)`;
  }
}

function toAsked({ first, second, attempts }: Expectation): string {
  const one = toTimes(typeof attempts !== 'undefined' && first === 0 ? minus(attempts, second ?? 0) : first);
  return second === undefined || second === 0 ? one : `${one}, then the next target`;
}

function minus(count: Count, other: Count): Count {
  const less = typeof other === 'number' ? other : other[0];
  return typeof count === 'number' ? count - less : [count[0] - less, count[1] - less];
}

function toTimes(count: Count): string {
  if (typeof count === 'number') return count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`;
  const [least, most] = count;
  return `${least} to ${most} times`;
}

function toSentence(text: string): string {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
