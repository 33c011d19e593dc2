import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { withDeadline } from '../deadline.ts';
import type { Runtime } from '../runtime.ts';
import { ConfigFileError, type SourcePlace } from './config-file-error.ts';

let loads = 0;
/** So that a file that waits for something does not block later loads for ever. */
const maxImportMs = 30_000;

/**
 * Imports a configuration written in JavaScript or TypeScript (Node strips the types itself) and returns its default
 * export. The file is reread at each call; modules that it imports are not. It gets 30 s.
 *
 * @throws ConfigFileError with the line, and the column if Node gives it
 */
export async function importConfig(file: string, runtime: Runtime): Promise<unknown> {
  const url = pathToFileURL(file);
  // Node caches modules by URL, so a changed file needs a new one; CommonJS is cached by file name
  url.searchParams.set('version', `${statSync(file).mtimeMs}-${++loads}`);
  delete createRequire(url).cache[file];
  let exported: unknown;
  try {
    exported = await withDeadline(runtime, maxImportMs, 'what it waits for', importDefault(url.href));
  } catch (cause) {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    throw new ConfigFileError(file, error.message, { place: findPlace(file, error), cause });
  }
  if (!isObject(exported)) {
    throw new ConfigFileError(
      file,
      'has no default export with the configuration: `export default defineConfig({ … })`',
    );
  }
  return exported;
}

async function importDefault(address: string): Promise<unknown> {
  const { default: exported } = (await import(/* @vite-ignore */ address)) as { default?: unknown };
  // compiled TypeScript in CommonJS keeps its default export one level down
  return isObject(exported) && exported.__esModule === true ? exported.default : exported;
}

function findPlace(file: string, error: Error): SourcePlace | undefined {
  const stack = error.stack ?? '';
  const frame = stack.split('\n').find((line) => line.trimStart().startsWith('at ') && line.includes(file));
  const inFrame = frame && /:(\d+):(\d+)\)?$/.exec(frame);
  if (inFrame) return { line: Number(inFrame[1]), column: Number(inFrame[2]) };
  if (!(error instanceof SyntaxError)) return undefined;
  // a syntax error in an ES module has no position; Node prints one when it only checks the file
  return findCaret(file, stack) ?? findCaret(file, checkSyntax(file));
}

function checkSyntax(file: string): string {
  const options = { encoding: 'utf8', timeout: 5_000, maxBuffer: 1_048_576 } as const;
  return spawnSync(process.execPath, ['--check', file], options).stderr ?? '';
}

/** Reads `file:line`, the quoted lines and the `^^^` below them, as Node prints them. */
function findCaret(file: string, text: string): SourcePlace | undefined {
  const lines = text.split('\n');
  const head = /:(\d+)$/.exec(lines[0] ?? '');
  if (!head || !lines[0]?.includes(file)) return undefined;
  const caret = lines.slice(1, 8).find((line) => /^\s*\^+\s*$/.test(line));
  return { line: Number(head[1]), column: caret === undefined ? undefined : caret.indexOf('^') + 1 };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
