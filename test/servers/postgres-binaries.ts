import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installPackage } from './install-package.ts';

const debianRoot = '/usr/lib/postgresql';

/** Directory that holds `postgres` and `initdb`: on PATH, else Debian's newest, else of the package that it installs. */
export function findPostgresBinaries(): string {
  const found = onPath() ?? ofDebian();
  if (found) return found;
  installPackage('postgresql');
  const installed = ofDebian();
  if (installed) return installed;
  throw new Error('Install PostgreSQL (`postgres` and `initdb` on PATH), or set DATABASE_URL.');
}

function onPath(): string | undefined {
  return (process.env.PATH ?? '').split(delimiter).find((directory) => directory && hasBoth(directory));
}

function ofDebian(): string | undefined {
  if (!existsSync(debianRoot)) return undefined;
  const versions = readdirSync(debianRoot).sort((one, other) => Number(other) - Number(one));
  return versions.map((version) => join(debianRoot, version, 'bin')).find(hasBoth);
}

function hasBoth(directory: string): boolean {
  return existsSync(join(directory, 'postgres')) && existsSync(join(directory, 'initdb'));
}
