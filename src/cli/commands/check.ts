import { type CheckResult, checkConfig, formatIssue } from '../check-config.ts';
import { type Command, optionalText } from '../command.ts';
import type { Io } from '../io.ts';
import { createStyle } from '../style.ts';

/** Says what is wrong in a configuration, and where. */
export const check: Command = {
  name: 'check',
  summary: 'say what is wrong in a configuration, and where',
  details: [
    'Looks for headgate.config.{ts,mts,js,mjs,cjs,json,yaml,yml} in the current directory, then at the environment.',
    'Lists every issue, not only the first. Exit code 1 when there is one.',
  ].join('\n'),
  options: {
    config: { type: 'string', short: 'c', value: 'file', help: 'the configuration file' },
    'skip-secrets': { type: 'boolean', help: 'take every secret as present, for machines that hold none' },
  },
  async run(values, io) {
    const secrets = values['skip-secrets'] === true ? everythingSet : io.environment;
    const path = optionalText(values, 'config');
    const result = await checkConfig({ path, cwd: io.cwd, environment: io.environment, secrets });
    if (values.json === true) io.stdout.write(`${JSON.stringify(toJson(result))}\n`);
    else render(result, io);
    return result.ok ? 0 : 1;
  },
};

const everythingSet: NodeJS.ProcessEnv = new Proxy({}, { get: () => 'skipped' });

function toJson(result: CheckResult) {
  if (!result.ok) return { ok: false, source: result.source ?? null, issues: result.issues };
  return { ok: true, source: result.loaded.source, issues: [], ...countParts(result) };
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

function render(result: CheckResult, io: Io): void {
  if (result.ok) {
    const style = createStyle(io.stdout, io.environment);
    const parts = Object.entries(countParts(result)).map(([name, count]) => `${count} ${name}`);
    io.stdout.write(`${style.green('ok')} ${result.loaded.source}: ${parts.join(', ')}\n`);
    return;
  }
  const style = createStyle(io.stderr, io.environment);
  for (const issue of result.issues) io.stderr.write(`${formatIssue(issue, io.cwd)}\n`);
  const count = result.issues.length;
  io.stderr.write(`${style.red(`${count} ${count === 1 ? 'issue' : 'issues'}`)}\n`);
}
