/**
 * Prints what compiling a large configuration costs: `node --expose-gc test/config/measure-compile.ts`. The figures to
 * meet, for 1,000 profiles and 2,000 models: 300 ms; and a request costs the same as with 10 of each.
 */
import { compileConfig } from '../../src/config/snapshot.ts';
import { createPrincipal } from '../../src/principal.ts';
import { builtInProviders } from '../../src/providers/index.ts';
import { makeLargeConfig } from './large-config.ts';

const collect = (globalThis as { gc?: () => void }).gc ?? (() => undefined);
const compile = (config: ReturnType<typeof makeLargeConfig>) =>
  compileConfig(config, { id: 'v1', providers: builtInProviders, environment: {} });

for (const [models, profiles] of [
  [10, 10],
  [2_000, 1_000],
] as const) {
  const config = makeLargeConfig(models, profiles);
  collect();
  const before = process.memoryUsage().heapUsed;
  // processor time, so that a busy machine does not show
  const times = Array.from({ length: 5 }, () => {
    const started = process.cpuUsage();
    compile(config);
    return process.cpuUsage(started).user / 1_000;
  });
  const snapshot = compile(config);
  const principals = Array.from({ length: profiles }, (_, index) =>
    createPrincipal({ source: 'key', key: `key-${index}`, team: `team-${index}` }),
  );
  const policies = principals.map((principal) => snapshot.policyFor(principal)!);
  for (const policy of policies) snapshot.resolveModel('family-0', policy, 2e12);
  collect();
  const megabytes = (process.memoryUsage().heapUsed - before) / 1e6;

  const names = Object.keys(config.models).flatMap((name) => [name, `family-${name.split('-')[1]}`]);
  const rounds = 1_000_000;
  let found = 0;
  const run = () => {
    for (let round = 0; round < rounds; round++) {
      const principal = principals[round % principals.length]!;
      const policy = snapshot.policyFor(principal)!;
      if (snapshot.resolveModel(names[(round * 7) % names.length]!, policy, 2e12)) found++;
    }
  };
  run();
  const startedAt = performance.now();
  run();
  const nanoseconds = ((performance.now() - startedAt) * 1e6) / rounds;
  console.log(
    `${profiles} profiles, ${models} models: compile first ${times[0]!.toFixed(0)} ms, then ${Math.min(...times).toFixed(0)} ms; ` +
      `${megabytes.toFixed(1)} MB with all policies; ${nanoseconds.toFixed(0)} ns to find policy and model (${found} found)`,
  );
}
