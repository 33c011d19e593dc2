import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToEnd } from '../children.ts';
import type { CaseContext } from '../result.ts';
import { median, round } from '../statistics.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Milliseconds of an import in fresh processes, alternating with an empty module, which is what Node itself takes. */
export async function runImportCase(context: CaseContext): Promise<Record<string, unknown>> {
  const modules: Record<string, string> = { empty: 'data:text/javascript,', undici: 'undici' };
  if (existsSync(join(root, 'dist', 'index.js'))) modules.headgate = 'headgate';
  const times = new Map<string, number[]>(Object.keys(modules).map((name) => [name, []]));
  for (let turn = 0; turn < context.options.coldStarts; turn++) {
    for (const [name, specifier] of Object.entries(modules)) {
      const code = `const from = performance.now(); await import('${specifier}'); console.log(performance.now() - from);`;
      const args = ['--input-type=module', '--eval', code];
      const text = await runToEnd(process.execPath, args, { cwd: root, timeoutMs: 30_000 });
      times.get(name)?.push(Number(text));
    }
  }
  return Object.fromEntries(
    [...times].map(([name, own]) => [
      name,
      { p50Ms: round(median(own)), maxMs: round(Math.max(...own)), runs: own.map((time) => round(time)) },
    ]),
  );
}
