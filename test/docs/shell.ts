import { spawn } from 'node:child_process';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inRepository } from './markdown.ts';

/** What a block of commands did. */
export interface ShellResult {
  readonly stdout: string;
  readonly stderr: string;
  /** The commands that failed, as bash shows them. */
  readonly failed: readonly string[];
}

/** One bash that runs block after block: variables, functions and background jobs stay. */
export interface Shell {
  run(block: string): Promise<ShellResult>;
  /** Ends it and the jobs that it has left running. */
  close(): Promise<void>;
}

// where a machine lacks them: just what the documents ask of them
const standIns = `
command -v openssl > /dev/null || openssl() { node -p 'crypto.randomBytes(32).toString("base64")'; }
command -v jq > /dev/null || jq() {
  node -e "const value = JSON.parse(fs.readFileSync(0, 'utf8'))$2; console.log(typeof value === 'string' ? value : JSON.stringify(value))"
}
`;

const blockTimeoutMs = 180_000;

/**
 * Starts a shell in a directory, with the packages of this repository beside it and `headgate` on its path.
 *
 * @param commandPort port of the command server that runs `headgate`
 */
export async function startShell(
  directory: string,
  commandPort: number,
  environment: Readonly<Record<string, string>>,
): Promise<Shell> {
  const bin = join(directory, '.bin');
  await mkdir(bin);
  const shim = inRepository('test/docs/shim.ts');
  await writeFile(join(bin, 'headgate'), `#!/bin/sh\nexec "${process.execPath}" "${shim}" "$@"\n`);
  await chmod(join(bin, 'headgate'), 0o755);
  await symlink(inRepository('node_modules'), join(directory, 'node_modules'));
  const path = [bin, dirname(process.execPath), process.env.PATH].join(':');
  const bash = spawn('bash', ['--noprofile', '--norc'], {
    cwd: directory,
    // a group of its own, so that what is left running can be ended together with it
    detached: true,
    env: { PATH: path, HOME: directory, COMMAND_SERVER_PORT: String(commandPort), ...environment },
  });
  const exited = new Promise<void>((resolve) => bash.on('close', () => resolve()));
  const output = { stdout: '', stderr: '' };
  let onOutput = () => {};
  for (const name of ['stdout', 'stderr'] as const) {
    bash[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      onOutput();
    });
  }
  const setUp = `set -o pipefail -o errtrace; trap 'printf "FAILED %s\\n" "$BASH_COMMAND" >> .failed' ERR\n${standIns}`;
  bash.stdin.write(setUp);
  let count = 0;

  return {
    async run(block) {
      const id = ++count;
      const end = `<<end of block ${id}>>`;
      await writeFile(join(directory, `.block-${id}.sh`), block);
      output.stdout = '';
      output.stderr = '';
      const command = `: > .failed; . ./.block-${id}.sh < /dev/null; echo '${end}'; cat .failed >&2; echo '${end}' >&2\n`;
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`This block does not end:\n${block}\n${output.stdout}${output.stderr}`)),
          blockTimeoutMs,
        );
        onOutput = () => {
          if (!output.stdout.includes(end) || !output.stderr.includes(end)) return;
          clearTimeout(timer);
          resolve();
        };
        bash.stdin.write(command);
      });
      const lines = output.stderr.replace(`${end}\n`, '').split('\n');
      return {
        stdout: output.stdout.replace(`${end}\n`, ''),
        stderr: lines.filter((line) => !line.startsWith('FAILED ')).join('\n'),
        failed: lines.filter((line) => line.startsWith('FAILED ')),
      };
    },
    async close() {
      // by its own group's id: the shell and the jobs that it started
      if (bash.exitCode === null && bash.pid !== undefined) process.kill(-bash.pid, 'SIGKILL');
      await exited;
    },
  };
}
