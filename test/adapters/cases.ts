import { abortCases } from './cases/aborts.ts';
import { bodyCases } from './cases/bodies.ts';
import { framingCases } from './cases/framing.ts';
import { pathCases } from './cases/paths.ts';
import { replyCases } from './cases/replies.ts';
import { streamCases } from './cases/streams.ts';
import type { AdapterCase } from './support/case.ts';
import { runCase } from './support/run-case.ts';

export type { AdapterCase, Bench } from './support/case.ts';
export { type Adapters, type Mount, mounts } from './support/mounts.ts';
export { runCase };

/** What every adapter must do, whatever the framework: one list for all of them. */
export const adapterCases: readonly AdapterCase[] = [
  ...pathCases,
  ...bodyCases,
  ...replyCases,
  ...streamCases,
  ...abortCases,
  ...framingCases,
];
