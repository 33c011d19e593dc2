import { withStandIns } from '../../config/check-storable.ts';
import { findMissingSecrets } from '../../config/stored-secrets.ts';
import {
  type CheckResult,
  checkConfig,
  formatIssue,
  type LocatedIssue,
  locateIssues,
} from '../check-config.ts';
import type { Command } from '../command.ts';
import { configStoreUrl, loadAnyConfig } from '../config-source.ts';
import { count } from '../count.ts';
import type { Io } from '../io.ts';
import { withStores } from '../open-stores.ts';
import { sourceOptions } from '../show.ts';
import { createStyle } from '../style.ts';

/** Says what is wrong in a configuration, and where. */
export const check: Command = {
  name: 'check',
  summary: 'show what is wrong in a configuration, and where',
  details: [
    'Looks into the store, or else for headgate.config.{ts,mts,js,mjs,cjs,json,yaml,yml} in the current directory, then',
    'at the environment.',
    'Lists every issue, not only the first. Exit code 1 when there is one. Warns of routes that no request reaches.',
  ].join('\n'),
  options: {
    ...sourceOptions,
    'skip-secrets': {
      type: 'boolean',
      help: 'assume that every secret is present, for machines that have none',
    },
  },
  async run(values, io) {
    const url = configStoreUrl(values, io);
    const isSkipping = values['skip-secrets'] === true;
    const checked = await checkConfig({
      path: undefined,
      cwd: io.cwd,
      environment: io.environment,
      load: () => loadAnyConfig(values, io),
      // stored secrets are checked below
      prepare: (config) => withStandIns(config, isSkipping ? undefined : url === undefined ? [] : ['store']),
    });
    const result = url === undefined || isSkipping ? checked : await checkStoredSecrets(checked, url, io);
    const warnings = result.ok ? await locateIssues(result.snapshot.warnings, result.loaded) : [];
    if (values.json === true) io.stdout.write(`${JSON.stringify(toJson(result, warnings))}\n`);
    else render(result, warnings, io);
    return result.ok ? 0 : 1;
  },
};

/** Reports stored secrets that are named but missing. */
async function checkStoredSecrets(result: CheckResult, url: string, io: Io): Promise<CheckResult> {
  if (!result.ok) return result;
  const { config, source } = result.loaded;
  const issues = await withStores(url, io, ({ secrets }) => findMissingSecrets(config, secrets));
  return issues.length === 0 ? result : { ok: false, source, issues };
}

function toJson(result: CheckResult, warnings: readonly LocatedIssue[]) {
  if (!result.ok) return { ok: false, source: result.source ?? null, issues: result.issues };
  return { ok: true, source: result.loaded.source, issues: [], warnings, ...countParts(result) };
}

function countParts({ snapshot }: CheckResult & { ok: true }) {
  const { providers, models, profiles, teams, keys } = snapshot.config;
  return {
    providers: Object.keys(providers).length,
    models: Object.keys(models).length,
    profiles: Object.keys(profiles).length,
    teams: Object.keys(teams).length,
    keys: keys.length,
  };
}

function render(result: CheckResult, warnings: readonly LocatedIssue[], io: Io): void {
  if (result.ok) {
    const style = createStyle(io.stdout, io.environment);
    const parts = Object.entries(countParts(result)).map(([name, found]) => count(found, name.slice(0, -1)));
    for (const warning of warnings) io.stderr.write(`warning: ${formatIssue(warning, io.cwd)}\n`);
    io.stdout.write(`${style.green('ok')} ${result.loaded.source}: ${parts.join(', ')}\n`);
    return;
  }
  const style = createStyle(io.stderr, io.environment);
  for (const issue of result.issues) io.stderr.write(`${formatIssue(issue, io.cwd)}\n`);
  io.stderr.write(`${style.red(count(result.issues.length, 'issue'))}\n`);
}
