import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import type { Io } from './io.ts';

/** The command line cannot be understood; exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command was understood but cannot do its work; exit code 1. Only the message is shown. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** An option of a command. */
export interface CommandOption {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** Placeholder of its value in the help. */
  readonly value?: string;
  readonly help: string;
  readonly default?: string;
}

/** The one positional argument of a command. */
export interface CommandArgument {
  readonly name: string;
  readonly help: string;
}

/** The options given, and the argument under its name; each is of the type that the command declares. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

/** One command of the CLI. */
export interface Command {
  /** One or two words. */
  readonly name: string;
  readonly summary: string;
  /** Further paragraphs of the help. */
  readonly details: string;
  readonly options: Readonly<Record<string, CommandOption>>;
  /** Its name is not that of an option. @default no argument */
  readonly argument?: CommandArgument;
  /** Resolves with the exit code. */
  run(values: OptionValues, io: Io): Promise<number>;
}

/** Understood by every command. */
export const commonOptions: Readonly<Record<string, CommandOption>> = {
  json: { type: 'boolean', help: 'machine-readable output on stdout' },
  help: { type: 'boolean', short: 'h', help: 'this text' },
};

/** @throws UsageError for what the command does not know */
export function parseOptions(command: Command, argv: readonly string[]): OptionValues {
  const options: ParseArgsOptionsConfig = {};
  for (const [name, option] of Object.entries({ ...command.options, ...commonOptions })) {
    options[name] = {
      type: option.type,
      ...(option.short !== undefined && { short: option.short }),
      ...(option.default !== undefined && { default: option.default }),
    };
  }
  const { argument } = command;
  const { values, positionals } = readArgs(argv, options, argument !== undefined);
  const [first, surplus] = positionals;
  if (surplus !== undefined)
    throw new UsageError(`Unexpected argument ${hideLong(JSON.stringify(surplus))}.`);
  return argument === undefined || first === undefined ? values : { ...values, [argument.name]: first };
}

/** An unexpected argument may be a secret, unless it is too short for one. */
function hideLong(text: string): string {
  return text.replace(/(["'])(?!-)[^"']{12,}\1/g, '(not shown)');
}

function readArgs(argv: readonly string[], options: ParseArgsOptionsConfig, allowPositionals: boolean) {
  try {
    const parsed = parseArgs({ args: [...argv], options, strict: true, allowPositionals });
    return { values: parsed.values as OptionValues, positionals: parsed.positionals };
  } catch (error) {
    // the first sentence names the option; the others are about positionals
    const [message = ''] = (error as Error).message.split(/\. |\n/);
    const isFile = message.startsWith('Unexpected argument') && options.config !== undefined;
    const hint = isFile ? ' A configuration file is named by --config.' : '';
    throw new UsageError(hideLong(message.replace(/\.?$/, '.')) + hint);
  }
}

/** @throws UsageError when the command's argument was not given or is empty */
export function requiredArgument(values: OptionValues, name: string): string {
  const value = values[name];
  if (typeof value !== 'string' || value.trim() === '') throw new UsageError(`<${name}> is needed.`);
  return value;
}

/** @throws UsageError when it was not given */
export function requiredText(values: OptionValues, name: string): string {
  const value = optionalText(values, name);
  if (value === undefined) throw new UsageError(`--${name} is needed.`);
  return value;
}

/** @throws UsageError when it was given and is empty */
export function optionalText(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  if (typeof value !== 'string') return undefined;
  if (value.trim() === '') throw new UsageError(`--${name} is empty.`);
  return value;
}

/** The command's argument as a number. @throws UsageError unless it is a whole number within the bounds */
export function integerArgument(values: OptionValues, name: string, min: number, max: number): number {
  return toInteger(requiredArgument(values, name), `<${name}>`, min, max);
}

/** @throws UsageError unless it is a whole number within the bounds */
export function integer(values: OptionValues, name: string, min: number, max: number): number {
  return toInteger(requiredText(values, name), `--${name}`, min, max);
}

function toInteger(text: string, name: string, min: number, max: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    throw new UsageError(
      `${name} must be a whole number from ${min} to ${max}, not ${JSON.stringify(text)}.`,
    );
  }
  return value;
}

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A number and a unit: `45s`, `30m`, `12h`, `90d`. @throws UsageError for anything else */
export function durationMs(name: string, text: string): number {
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(text);
  if (!match) {
    throw new UsageError(
      `--${name} is a number and a unit (45s, 30m, 12h, 90d), not ${JSON.stringify(text)}.`,
    );
  }
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
}
