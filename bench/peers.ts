import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToEnd } from './children.ts';
import type { SubjectName } from './subject.ts';

/** Other gateways live here, apart from the package's own dependencies; nothing in it is committed. */
const directory = fileURLToPath(new URL('peers', import.meta.url));
export const portkeyDirectory = join(directory, 'portkey');
export const portkeyPackage = join(portkeyDirectory, 'node_modules', '@portkey-ai', 'gateway');
export const litellmDirectory = join(directory, 'litellm');
const litellmBinary = join(litellmDirectory, 'bin', 'litellm');
const bifrostDirectory = join(directory, 'bifrost');

const portkeyVersion = '1.15.2';
const litellmVersion = '>=1.108,<1.109';
const bifrostModule = 'github.com/maximhq/bifrost/transports/bifrost-http@latest';
const timeoutMs = 600_000;

/** Where the program of a peer is, if anywhere. Bifrost's may also be on the PATH. */
export function findPeer(name: 'portkey' | 'litellm' | 'bifrost'): string | undefined {
  if (name === 'portkey') return present(join(portkeyPackage, 'build', 'start-server.js'));
  if (name === 'litellm') return present(litellmBinary);
  const paths = [bifrostDirectory, ...(process.env.PATH ?? '').split(delimiter)];
  return paths.map((path) => join(path, 'bifrost-http')).find((path) => existsSync(path));
}

function present(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}

/** Installs the named peers that are missing, each within ten minutes. Returns the reasons for those that failed. */
export async function installPeers(names: readonly SubjectName[]): Promise<Map<SubjectName, string>> {
  const failures = new Map<SubjectName, string>();
  for (const name of ['portkey', 'litellm', 'bifrost'] as const) {
    if (!names.includes(name) || findPeer(name)) continue;
    console.error(`installing ${name} into bench/peers (at most ten minutes)`);
    try {
      await install[name]();
    } catch (error) {
      failures.set(name, `could not be installed: ${toReason(error, 'last')}`);
    }
  }
  return failures;
}

const install = {
  async portkey() {
    mkdirSync(portkeyDirectory, { recursive: true });
    writeFileSync(join(portkeyDirectory, 'package.json'), '{ "private": true }\n');
    // its postinstall has nothing to do: the patches it would apply are not in the package
    const args = [
      'install',
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      `@portkey-ai/gateway@${portkeyVersion}`,
    ];
    await runToEnd('npm', args, { cwd: portkeyDirectory, timeoutMs });
  },
  async litellm() {
    await runToEnd('python3', ['-m', 'venv', litellmDirectory], { timeoutMs: 60_000 });
    const pip = join(litellmDirectory, 'bin', 'pip');
    await runToEnd(pip, ['install', '--quiet', `litellm[proxy]${litellmVersion}`], { timeoutMs });
  },
  async bifrost() {
    mkdirSync(bifrostDirectory, { recursive: true });
    const env = { ...process.env, GOBIN: bifrostDirectory };
    await runToEnd('go', ['install', bifrostModule], { env, cwd: bifrostDirectory, timeoutMs });
  },
};

/** One line of a failure, without the addresses and paths of the machine. */
export function toReason(error: unknown, line: 'first' | 'last'): string {
  const lines = String(error instanceof Error ? error.message : error)
    .trim()
    .split('\n');
  return (lines.at(line === 'first' ? 0 : -1) ?? '')
    .replace(/\b\w+:\/\/\S+/g, '…')
    .replace(/(^|\s)\/\S+/g, '$1…')
    .trim()
    .slice(0, 200);
}

export function readPackageVersion(path: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as { version?: string }).version;
  } catch {
    return undefined;
  }
}
