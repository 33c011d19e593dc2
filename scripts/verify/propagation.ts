import { measureStampede } from './propagation/cold-stampede.ts';
import { measureInProcess } from './propagation/in-process.ts';
import { judgeInProcess, judgeNodes, judgeScale, judgeStampede } from './propagation/judge.ts';
import { measureNodes } from './propagation/nodes.ts';
import { help, type Options, parseOptions } from './propagation/options.ts';
import { measureScale } from './propagation/scale.ts';
import { wholeRunMs } from './propagation/settings.ts';
import { createUndo } from './propagation/undo.ts';
import { runVerification, type Verification } from './run-verification.ts';

/**
 * Measures how late a change of keys, models and provider secrets is in force: in one process, and on several gateway
 * processes over Redis and PostgreSQL, with their notifications and without; what looking a key up costs, cold and warm;
 * and what many keys, profiles and models cost. Ends with `verify:propagation PASS` or
 * `verify:propagation FAIL`, and with code 1 for the latter.
 */
async function run(options: Options, { undo, details, progress, show }: Verification): Promise<void> {
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
if (options) {
  runVerification({ name: 'propagation', wholeRunMs, json: options.json }, (verification) =>
    run(options, verification),
  );
} else console.log(help);
