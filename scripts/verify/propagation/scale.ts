import { startChild } from './children.ts';
import type { ScaleReport } from './messages.ts';
import { scale } from './settings.ts';
import type { Undo } from './undo.ts';

/** Measures the large site, in a process of its own: nothing else is in its memory. */
export async function measureScale(undo: Undo): Promise<ScaleReport> {
  const child = undo.keep(await startChild('scale-process.ts', { type: 'start', scale }), (it) => it.stop());
  const report = await child.next<ScaleReport>('scale');
  await child.stop();
  return report;
}
