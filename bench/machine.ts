import { spawnSync } from 'node:child_process';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { hasWrk } from './load.ts';
import { readPackageVersion } from './peers.ts';
import type { Subject } from './subject.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The machine as far as it explains figures; nothing that tells whose it is. */
export function describeMachine(): Record<string, unknown> {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    platform: platform(),
    arch: arch(),
    kernel: release().split('-')[0],
    pinned: false,
  };
}

export function describeVersions(subjects: readonly Subject[]): Record<string, string> {
  const versions: Record<string, string> = {
    node: process.versions.node,
    headgate: readPackageVersion(root) ?? 'unknown',
    undici: readPackageVersion(`${root}/node_modules/undici`) ?? 'unknown',
  };
  const wrk = hasWrk && /wrk (\S+)/.exec(spawnSync('wrk', ['-v']).stdout.toString())?.[1];
  if (wrk) versions.wrk = wrk;
  for (const subject of subjects) {
    const version = subject.missing() === undefined && subject.version();
    if (version && !(subject.name in versions) && subject.name !== 'bare') versions[subject.name] = version;
  }
  return versions;
}
