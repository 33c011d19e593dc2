import { checkSecrets } from '../check-records.ts';
import { type Dialect, dialects } from '../dialects.ts';
import { findRejections } from '../rejections.ts';
import { toRecordings } from '../run-case.ts';
import { type Site, type SiteOptions, startSite } from '../site.ts';
import { type FaultUpstream, startFaultUpstream } from '../upstream/fault-upstream.ts';
import { toProviderWords } from '../upstream/provider-words.ts';
import type { ScenarioResult } from './scenario.ts';

/** A gateway before some fault upstreams, and where to say what is not as expected. */
export interface Stage {
  readonly site: Site;
  readonly upstreams: readonly FaultUpstream[];
  readonly dialect: Dialect;
  check(holds: boolean, otherwise: string): void;
  figure(text: string): void;
}

/** How a stage is set up. */
export interface StageOptions extends Partial<Omit<SiteOptions, 'dialect' | 'targets'>> {
  /** @default the first one */
  readonly dialect?: Dialect;
  /** How many upstreams. @default 1 */
  readonly targets?: number;
  /** Addresses in place of the upstreams' own. */
  readonly toAddress?: (upstream: FaultUpstream, index: number) => string;
  /** Requests that leave no record, since nothing of them came in whole. @default 0 */
  readonly unrecorded?: number;
}

/** The first dialect, which stands for all where the dialect does not matter. */
export const firstDialect = dialects[0] as Dialect;

/** Runs something on a stage of its own, and looks at what must hold of every scenario when it is over. */
export async function onStage(
  options: StageOptions,
  act: (stage: Stage) => Promise<void>,
): Promise<ScenarioResult> {
  const dialect = options.dialect ?? firstDialect;
  const { first, second } = await toRecordings(dialect);
  const words = toProviderWords(dialect);
  const upstreams: FaultUpstream[] = [];
  for (let index = 0; index < (options.targets ?? 1); index++) {
    upstreams.push(await startFaultUpstream({ tapes: index === 0 ? first : second, ...words }));
  }
  const toAddress = options.toAddress ?? (({ port }: FaultUpstream) => `http://127.0.0.1:${port}`);
  const site = await startSite({ ...options, dialect, targets: upstreams.map(toAddress) });
  const rejections = findRejections();
  const findings: string[] = [];
  const figures: string[] = [];
  try {
    await act({
      site,
      upstreams,
      dialect,
      check: (holds, otherwise) => void (holds || findings.push(otherwise)),
      figure: (text) => void figures.push(text),
    });
    await until(() => site.journal.open === 0);
    if (site.journal.open > 0) findings.push(`${site.journal.open} reservations are held`);
    if (site.journal.settledTwice > 0) findings.push('a reservation was settled twice');
    for (const { key, held } of site.journal.states())
      if (held !== 0) findings.push(`${held} are held of ${key}`);
    const ids = site.records.map(({ id }) => id);
    if (new Set(ids).size !== ids.length) findings.push('a request has two records');
    findings.push(
      ...checkSecrets(
        site,
        [],
        upstreams.flatMap(({ seen }) => seen),
      ),
    );
  } catch (error) {
    findings.push(`it threw ${(error as Error).stack}`);
  } finally {
    await site.close();
    for (const upstream of upstreams) await upstream.close();
    findings.push(...(await rejections.end()));
  }
  return { findings, figures };
}

/** Waits until something holds, or for so long. */
export async function until(holds: () => boolean, forMs = 2_000): Promise<boolean> {
  const untilMs = performance.now() + forMs;
  while (!holds()) {
    if (performance.now() > untilMs) return false;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return true;
}
