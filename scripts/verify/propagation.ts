import { writeFileSync } from 'node:fs';
import { measureStampede } from './propagation/cold-stampede.ts';
import { type Figure, formatFigures, isPass } from './propagation/figures.ts';
import { measureInProcess } from './propagation/in-process.ts';
import { judgeInProcess, judgeNodes, judgeScale, judgeStampede } from './propagation/judge.ts';
import { measureNodes } from './propagation/nodes.ts';
import { help, type Options, parseOptions } from './propagation/options.ts';
import { measureScale } from './propagation/scale.ts';
import { wholeRunMs } from './propagation/settings.ts';
import { createUndo, type Undo } from './propagation/undo.ts';

/**
 * Measures how late a change of keys, models and provider secrets is in force: in one process, and on several gateway
 * processes over Redis and PostgreSQL, with their notifications and without; what looking a key up costs, cold and warm;
 * and what many keys, profiles and models cost. Ends with `verify:propagation PASS` or
 * `verify:propagation FAIL`, and with code 1 for the latter.
 */
async function run(options: Options, undo: Undo, figures: Figure[], details: Record<string, unknown>) {
  const progress = (text: string): void =>
    console.error(`${(performance.now() / 1_000).toFixed(0)} s  ${text}`);
  const show = (added: readonly Figure[]): void => {
    figures.push(...added);
    console.log(`${formatFigures(added)}\n`);
  };
  progress(`in process: ${options.tries} changes`);
  const inProcess = await measureInProcess(options.tries);
  details['in process'] = inProcess;
  show(judgeInProcess(inProcess));
  progress('a large site');
  const scale = await measureScale(undo);
  details.scale = scale;
  show(judgeScale(scale));
  for (const backend of options.backends) {
    // each with everything of its own, ended before the next begins
    const own = undo.keep(createUndo(), (it) => it.run());
    const nodes = await measureNodes(backend, options, own, progress);
    await own.run();
    details[`${backend}, nodes`] = nodes;
    show(judgeNodes(backend, nodes));
    const stampedeOwn = undo.keep(createUndo(), (it) => it.run());
    progress(`${backend}: ${options.keys} keys, cold`);
    const stampede = await measureStampede(backend, options.keys, stampedeOwn);
    await stampedeOwn.run();
    details[`${backend}, stampede`] = stampede;
    show(judgeStampede(backend, stampede.cold, stampede.warm));
  }
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
  console.log(`verify:propagation ${isGood ? 'PASS' : 'FAIL'}`);
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
setTimeout(() => void end(new Error(`It took longer than ${wholeRunMs / 1_000} s.`)), wholeRunMs).unref();
run(options, undo, figures, details).then(
  () => end(undefined),
  (error: unknown) => end(error),
);
