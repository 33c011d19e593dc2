import type { Dialect } from './dialects.ts';
import type { MatrixLine } from './matrix.ts';
import { runCase } from './run-case.ts';
import { scenarios } from './scenarios/index.ts';
import type { FaultCase, FaultRow } from './table/row.ts';

const maxNotes = 8;

/** Runs the cases and scenarios of a row in some dialects; `isThorough` those too that take long, and with a look at the clock. */
export async function runRow(
  row: FaultRow,
  dialects: readonly Dialect[],
  isThorough: boolean,
): Promise<MatrixLine[]> {
  const lines: MatrixLine[] = [];
  for (const faultCase of row.cases) {
    if (faultCase.isHeavy && !isThorough) continue;
    lines.push(await runInDialects(row, faultCase, dialects, isThorough));
  }
  for (const name of row.scenarios ?? []) {
    const scenario = scenarios[name];
    if (!scenario) {
      lines.push({
        row: row.id,
        name,
        verdict: 'FAIL',
        notes: ['there is no such scenario'],
        runs: 0,
        ms: 0,
      });
      continue;
    }
    if (scenario.isHeavy && !isThorough) continue;
    const startedMs = performance.now();
    const {
      findings,
      skipped,
      figures = [],
    } = await scenario.run().catch((error: Error) => ({
      findings: [`it threw ${error.stack}`],
      skipped: undefined,
      figures: [],
    }));
    lines.push({
      row: row.id,
      name: scenario.title,
      verdict: skipped ? 'skip' : findings.length > 0 ? 'FAIL' : 'ok',
      notes: [...(skipped ? [skipped] : []), ...findings.slice(0, maxNotes), ...figures],
      runs: 1,
      ms: performance.now() - startedMs,
    });
  }
  return lines;
}

async function runInDialects(
  row: FaultRow,
  faultCase: FaultCase,
  dialects: readonly Dialect[],
  isTimed: boolean,
): Promise<MatrixLine> {
  const modes = faultCase.mode === 'both' ? [false, true] : [faultCase.mode === 'stream'];
  const notes: string[] = [];
  let runs = 0;
  let ms = 0;
  for (const dialect of dialects) {
    if (faultCase.dialects && !faultCase.dialects.includes(dialect.name)) continue;
    for (const stream of modes) {
      const result = await runCase(faultCase, dialect, stream, isTimed);
      runs++;
      ms = Math.max(ms, result.totalMs);
      for (const finding of result.findings)
        notes.push(`${dialect.name}${stream ? ', streamed' : ''}: ${finding}`);
    }
  }
  const name = faultCase.name === '' ? row.title : `${row.title}: ${faultCase.name}`;
  const shown =
    notes.length > maxNotes ? [...notes.slice(0, maxNotes), `… ${notes.length - maxNotes} more`] : notes;
  return { row: row.id, name, verdict: notes.length > 0 ? 'FAIL' : 'ok', notes: shown, runs, ms };
}
