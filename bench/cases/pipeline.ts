import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToEnd } from '../children.ts';
import type { CaseContext } from '../result.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Microseconds of one request through the pipeline alone, in a process of its own: no sockets, memory stores. */
export async function runPipelineCase(context: CaseContext): Promise<Record<string, unknown>> {
  if (!existsSync(join(root, 'dist', 'index.js'))) {
    context.leaveOut('pipeline', 'headgate', new Error('the package is not built: npm run build'));
    return {};
  }
  const { rounds, warmUpMs } = context.options;
  const env = { ...process.env, BENCH_ROUNDS: String(rounds), BENCH_WARM_UP_MS: String(warmUpMs) };
  const args = [join(root, 'bench', 'subjects', 'pipeline.ts')];
  try {
    return {
      headgate: JSON.parse(await runToEnd(process.execPath, args, { cwd: root, env, timeoutMs: 120_000 })),
    };
  } catch (error) {
    context.leaveOut('pipeline', 'headgate', error);
    return {};
  }
}
