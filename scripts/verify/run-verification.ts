import { writeFileSync } from 'node:fs';
import { type Figure, formatFigures, isPass, toNone } from './propagation/figures.ts';
import { createUndo, type Undo } from './propagation/undo.ts';

/** A verification while it runs. */
export interface Verification {
  /** Undone at its end, however it ends. */
  readonly undo: Undo;
  /** What goes into the file of figures besides. */
  readonly details: Record<string, unknown>;
  /** All that were shown so far. */
  readonly figures: readonly Figure[];
  /** Says on stderr what is done now. */
  progress(text: string): void;
  show(figures: readonly Figure[]): void;
  /** A part with everything of its own, ended before the next begins. What it throws fails it, and the others go on. */
  part(what: string, act: (own: Undo) => Promise<readonly Figure[]>): Promise<void>;
}

/** How it is named, how long it may take, and where its figures go. */
export interface VerificationOptions {
  /** As in `verify:name PASS`. */
  readonly name: string;
  readonly wholeRunMs: number;
  /** File for the figures. */
  readonly json?: string | undefined;
}

/**
 * Runs a verification to its end: prints its figures and a last line, `verify:name PASS` or `verify:name FAIL`, and exits,
 * with code 1 for the latter. A signal ends it in order.
 */
export function runVerification(
  { name, wholeRunMs, json }: VerificationOptions,
  run: (verification: Verification) => Promise<void>,
): void {
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
    if (json !== undefined)
      writeFileSync(json, `${JSON.stringify({ pass: isGood, figures, details }, null, 2)}\n`);
    console.log(`verify:${name} ${isGood ? 'PASS' : 'FAIL'}`);
    process.exit(code ?? (isGood ? 0 : 1));
  }

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => void end(new Error(`Ended by ${signal}.`), code));
  }
  process.on('uncaughtException', (error) => void end(error));
  setTimeout(() => void end(new Error(`It took longer than ${wholeRunMs / 1_000} s.`)), wholeRunMs).unref();

  const show = (added: readonly Figure[]): void => {
    figures.push(...added);
    console.log(`${formatFigures(added)}\n`);
  };
  const progress = (text: string): void =>
    console.error(`${(performance.now() / 1_000).toFixed(0)} s  ${text}`);
  const part: Verification['part'] = async (what, act) => {
    const own = undo.keep(createUndo(), (it) => it.run());
    progress(what);
    try {
      show(await act(own));
    } catch (error) {
      show([toNone(`${what}: could not be verified`, 1, (error as Error).message)]);
      console.error(error);
    }
    await own.run();
  };
  run({ undo, details, figures, progress, show, part }).then(
    () => end(undefined),
    (error: unknown) => end(error),
  );
}
