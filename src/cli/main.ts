import { type Command, CommandError, parseOptions, UsageError } from './command.ts';
import { check } from './commands/check.ts';
import { configApply, configRollback } from './commands/config-apply.ts';
import { configDiff } from './commands/config-diff.ts';
import { configShow } from './commands/config-show.ts';
import { configVersions } from './commands/config-versions.ts';
import { explain } from './commands/explain.ts';
import { keysCreate } from './commands/keys-create.ts';
import { keysList } from './commands/keys-list.ts';
import { keysRevoke } from './commands/keys-revoke.ts';
import { keysRotate } from './commands/keys-rotate.ts';
import { migrate } from './commands/migrate.ts';
import { modelsCommands } from './commands/models.ts';
import { profilesCommands } from './commands/profiles.ts';
import { providersCommands } from './commands/providers.ts';
import { providersRewrap } from './commands/providers-rewrap.ts';
import { providersSetSecret } from './commands/providers-set-secret.ts';
import { serve } from './commands/serve.ts';
import { renderHelp, renderOverview } from './help.ts';
import type { Io } from './io.ts';
import { createStyle } from './style.ts';
import { packageVersion } from './version.ts';

const commands: readonly Command[] = [
  serve,
  check,
  explain,
  keysCreate,
  keysList,
  keysRotate,
  keysRevoke,
  ...profilesCommands,
  ...modelsCommands,
  ...providersCommands,
  providersSetSecret,
  providersRewrap,
  configShow,
  configVersions,
  configDiff,
  configApply,
  configRollback,
  migrate,
];

/**
 * Runs the command line.
 *
 * @param argv Without the interpreter and the script.
 * @returns the exit code: 0 done, 1 failed or invalid, 2 not understood
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const style = createStyle(io.stdout, io.environment);
  const [first] = argv;
  if (first === '--version' || first === '-v') {
    io.stdout.write(`${packageVersion()}\n`);
    return 0;
  }
  if (first === '--help' || first === '-h' || first === 'help') {
    io.stdout.write(renderOverview(commands, style));
    return 0;
  }
  if (first === undefined) {
    io.stderr.write(renderOverview(commands, createStyle(io.stderr, io.environment)));
    return 2;
  }
  const command = commands.find(({ name }) => name.split(' ').every((word, index) => argv[index] === word));
  if (!command) return refuseCommand(argv, io);
  const rest = argv.slice(command.name.split(' ').length);
  try {
    const values = parseOptions(command, rest);
    if (values.help === true) {
      io.stdout.write(renderHelp(command, style));
      return 0;
    }
    return await command.run(values, io);
  } catch (error) {
    return report(error, command, rest, io);
  }
}

function refuseCommand(argv: readonly string[], io: Io): number {
  const [first = ''] = argv;
  const group = commands.filter(({ name }) => name.startsWith(`${first} `));
  const names = (group.length > 0 ? group : commands).map(({ name }) => name).join(', ');
  if (group.length > 0 && argv.some((word) => word === '--help' || word === '-h')) {
    io.stdout.write(
      group.map((command) => renderHelp(command, createStyle(io.stdout, io.environment))).join('\n'),
    );
    return 0;
  }
  io.stderr.write(
    `headgate: there is no command ${JSON.stringify(argv.slice(0, group.length > 0 ? 2 : 1).join(' '))}. `,
  );
  io.stderr.write(`There are: ${names}. See headgate --help.\n`);
  return 2;
}

function report(error: unknown, command: Command, argv: readonly string[], io: Io): number {
  const isUsage = error instanceof UsageError;
  // a TypeError of ours is written for the user; anything else is a bug, and its stack is shown
  const isExpected = isUsage || error instanceof CommandError || error instanceof TypeError;
  const message = error instanceof Error ? error.message : String(error);
  const style = createStyle(io.stderr, io.environment);
  if (argv.includes('--json')) io.stdout.write(`${JSON.stringify({ ok: false, error: { message } })}\n`);
  io.stderr.write(
    `${style.red('headgate:')} ${isExpected ? message : ((error as Error)?.stack ?? message)}\n`,
  );
  if (isUsage) io.stderr.write(`See headgate ${command.name} --help.\n`);
  return isUsage ? 2 : 1;
}
