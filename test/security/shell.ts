import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type RunOptions, start, until } from '../cli/harness.ts';
import type { Evidence } from './evidence.ts';

/** Runs commands of the CLI in this process and keeps what they print. */
export interface Shell {
  readonly directory: string;
  /** Runs a command to its end. `kind` says whether it is used as it should be. */
  run(
    kind: 'use' | 'misuse',
    argv: readonly string[],
    options?: RunOptions,
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
  /** Runs `serve` while `action` does something with its URL. */
  serve(argv: readonly string[], action: (url: string) => Promise<void>): Promise<void>;
  /** Writes a file into the directory of the commands; its path. */
  write(name: string, text: string): Promise<string>;
}

/** A shell in a directory, with an environment. */
export function createShell(
  name: string,
  directory: string,
  environment: Readonly<Record<string, string>>,
  evidence: Evidence,
): Shell {
  let count = 0;
  const keep = (source: string, stdout: string, stderr: string) => {
    evidence.add('command output', `${source}: stdout`, stdout);
    evidence.add('command output', `${source}: stderr`, stderr);
  };
  const sourceOf = (kind: string, argv: readonly string[]) => {
    const file = argv.includes('--config') ? ` ${basename(argv[argv.indexOf('--config') + 1] ?? '')}` : '';
    return `${name}: ${kind}: ${argv.slice(0, 2).join(' ')}${file} #${++count}`;
  };
  return {
    directory,
    async run(kind, argv, options = {}) {
      const given = { ...environment, ...options.environment };
      const command = start(argv, { cwd: directory, ...options, environment: given });
      let isOver = false;
      void command.code.finally(() => {
        isOver = true;
      });
      // a gateway that was expected not to start would go on for ever
      const hasAnswered = () => isOver || (argv[0] === 'serve' && command.stdout().includes('\n'));
      await until(hasAnswered, argv.slice(0, 2).join(' '));
      command.signal('SIGTERM');
      const result = { code: await command.code, stdout: command.stdout(), stderr: command.stderr() };
      keep(sourceOf(kind, argv), result.stdout, result.stderr);
      return result;
    },
    async serve(argv, action) {
      const all = ['serve', '--port', '0', '--json', ...argv];
      const command = start(all, { cwd: directory, environment });
      try {
        const line = await until(() => command.stdout().split('\n').find(Boolean), 'the URL of serve');
        await action((JSON.parse(line) as { url: string }).url);
      } finally {
        command.signal('SIGTERM');
        await command.code;
        keep(sourceOf('use', all), command.stdout(), command.stderr());
      }
    },
    async write(file, text) {
      const path = join(directory, file);
      await writeFile(path, text);
      return path;
    },
  };
}
