import type { TextOutput } from './io.ts';

/** Emphasis for people at a terminal; plain text elsewhere. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
}

/** No colours unless the output is a terminal, and none when `NO_COLOR` is set (https://no-color.org). */
export function createStyle(output: TextOutput, environment: NodeJS.ProcessEnv): Style {
  const isPlain = output.isTTY !== true || (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb';
  const paint = (open: number, close: number) => (text: string) =>
    isPlain ? text : `\u001b[${open}m${text}\u001b[${close}m`;
  return { bold: paint(1, 22), dim: paint(2, 22), red: paint(31, 39), green: paint(32, 39) };
}
