import { spawnSync } from 'node:child_process';
import { installPackage } from './install-package.ts';

let isKnownToWork = false;

/**
 * The start of a shell command that runs the rest of its arguments with some calls of fsync and fdatasync failing: of each,
 * the program's first `good` succeed, and the next `bad` fail with EIO. Only its main thread counts, and fails.
 *
 * @throws Error that says what to install, or that this place forbids one process to trace another
 */
export function withFailingSync({ good, bad }: { readonly good: number; readonly bad: number }): string {
  requireStrace();
  const which = 'fsync,fdatasync';
  const inject = `inject=${which}:error=EIO:when=${good + 1}..${good + bad}`;
  return `exec strace --output=/dev/null --trace=${which} -e ${inject} -- "$@"`;
}

function requireStrace(): void {
  if (isKnownToWork) return;
  if (tryStrace().error) installPackage('strace');
  const { error, status, stderr } = tryStrace();
  if (error) throw new Error('Install strace to run this test.', { cause: error });
  if (status !== 0) {
    throw new Error(
      `strace may not trace here, and so no fsync can be made to fail: allow ptrace (in Docker: --cap-add=SYS_PTRACE). It says: ${stderr}`,
    );
  }
  isKnownToWork = true;
}

function tryStrace() {
  return spawnSync('strace', ['--output=/dev/null', '--trace=fsync', '--', 'true'], { encoding: 'utf8' });
}
