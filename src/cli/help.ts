import { type Command, type CommandOption, commonOptions } from './command.ts';
import type { Style } from './style.ts';

/** The text of `headgate --help`. */
export function renderOverview(commands: readonly Command[], style: Style): string {
  return [
    `${style.bold('headgate')}: an LLM gateway that you embed in your own server, or run alone.`,
    '',
    `${style.bold('Usage')}  headgate <command> [options]`,
    '',
    style.bold('Commands'),
    ...toColumns(commands.map((command) => [command.name, command.summary])),
    '',
    style.bold('Options'),
    ...toColumns([
      ['-h, --help', 'this text; with a command, its own'],
      ['--version', 'the version'],
    ]),
    '',
    'Exit codes: 0 done, 1 failed or invalid, 2 not understood.',
    '',
  ].join('\n');
}

/** The text of `headgate <command> --help`. */
export function renderHelp(command: Command, style: Style): string {
  const { argument } = command;
  const options = { ...command.options, ...commonOptions };
  return [
    `${style.bold(`headgate ${command.name}`)}: ${command.summary}`,
    '',
    `${style.bold('Usage')}  headgate ${command.name}${argument ? ` <${argument.name}>` : ''} [options]`,
    '',
    ...(argument ? [style.bold('Argument'), ...toColumns([[`<${argument.name}>`, argument.help]]), ''] : []),
    style.bold('Options'),
    ...toColumns(Object.entries(options).map(([name, option]) => [toFlag(name, option), toText(option)])),
    '',
    command.details,
    '',
  ].join('\n');
}

function toFlag(name: string, option: CommandOption): string {
  const short = option.short === undefined ? '' : `-${option.short}, `;
  return `${short}--${name}${option.value === undefined ? '' : ` <${option.value}>`}`;
}

function toText(option: CommandOption): string {
  return option.default === undefined ? option.help : `${option.help} (default: ${option.default})`;
}

function toColumns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`);
}
