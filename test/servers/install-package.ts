import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';

const lockFile = '/tmp/headgate-test-packages.lock';
const createClusterDirectory = '/etc/postgresql-common/createcluster.d';

/**
 * Installs a Debian package without questions and without starting a service. Several test processes may ask at once:
 * one installs, the others wait.
 *
 * @throws Error that says what to install, where this is no Debian or the user is not root
 */
export function installPackage(name: string): void {
  const advice = `Install the package "${name}" (or what it is called on this system) to run this test.`;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) throw new Error(advice);
  // no database cluster beside the ones that the tests make
  mkdirSync(createClusterDirectory, { recursive: true });
  writeFileSync(`${createClusterDirectory}/headgate-tests.conf`, 'create_main_cluster = false\n');
  const install = `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${name}`;
  const { status, stderr } = spawnSync('flock', [lockFile, 'sh', '-c', install], {
    encoding: 'utf8',
    timeout: 300_000,
    // RUNLEVEL=1 keeps invoke-rc.d from starting what it installs
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  });
  if (status !== 0) throw new Error(`${advice} apt-get failed: ${(stderr ?? '').slice(-2_000)}`);
}
