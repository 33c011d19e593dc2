import { userInfo } from 'node:os';
import { type CommandOption, type OptionValues, optionalText } from './command.ts';
import type { Io } from './io.ts';

/** The option of every command that records a name. */
export const authorOption: Readonly<Record<string, CommandOption>> = {
  author: { type: 'string', value: 'name', help: 'who does this (default: HEADGATE_AUTHOR, then the user)' },
};

/** Who runs the command. */
export function authorOf(values: OptionValues, { environment }: Io): string {
  const given = optionalText(values, 'author');
  const candidates = [given, environment.HEADGATE_AUTHOR, environment.USER, environment.LOGNAME];
  return candidates.find((name) => name !== undefined && name.trim() !== '')?.trim() ?? accountName();
}

/** From the system: services and containers set no variable. */
function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    // a numeric user without an entry
    return 'unknown';
  }
}
