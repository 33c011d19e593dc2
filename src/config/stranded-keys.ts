import { keyStateAt } from '../keys/key-state.ts';
import type { KeyQuery, KeyRecord, WritableKeyStore } from '../stores/key-store.ts';
import type { GatewayConfig } from './schema.ts';

/** Live keys that would lose their team or project. */
export interface StrandedKeys {
  /** `team "web"`, `project "shop"`. */
  readonly subject: string;
  readonly count: number;
}

type Keys = Pick<WritableKeyStore, 'listKeys'>;

/** Finds the live keys whose team or project `after` removes, renames or moves. */
export async function findStrandedKeys(
  keys: Keys,
  before: GatewayConfig | undefined,
  after: GatewayConfig,
  nowMs: number,
): Promise<StrandedKeys[]> {
  const stranded: StrandedKeys[] = [];
  const note = (subject: string, count: number) => {
    if (count > 0) stranded.push({ subject, count });
  };
  const teams = after.teams ?? {};
  for (const team of missing(before?.teams, teams)) {
    note(`team ${JSON.stringify(team)}`, await countLive(keys, { team }, nowMs));
  }
  const projects = after.projects ?? {};
  // without any, a key's project is only a label
  if (Object.keys(projects).length === 0) return stranded;
  const known = Object.entries(before?.projects ?? {});
  for (const [project, { team }] of known) {
    if (Object.hasOwn(projects, project) && projects[project]?.team === team) continue;
    const isLost = (record: KeyRecord) => projects[project]?.team !== record.team;
    note(`project ${JSON.stringify(project)}`, await countLive(keys, { project }, nowMs, isLost));
  }
  if (known.length > 0) return stranded;
  // with the first project, every key's must be listed
  const isUnlisted = ({ project, team }: KeyRecord) =>
    project !== undefined && !(Object.hasOwn(projects, project) && projects[project]?.team === team);
  note('projects that are not listed', await countLive(keys, {}, nowMs, isUnlisted));
  return stranded;
}

function missing(before: object | undefined, after: object): string[] {
  return Object.keys(before ?? {}).filter((name) => !Object.hasOwn(after, name));
}

async function countLive(
  keys: Keys,
  query: KeyQuery,
  nowMs: number,
  isMeant: (record: KeyRecord) => boolean = () => true,
): Promise<number> {
  let count = 0;
  let after: string | undefined;
  for (;;) {
    const page = await keys.listKeys({
      ...query,
      active: true,
      limit: 1_000,
      ...(after !== undefined && { after }),
    });
    count += page.filter((record) => keyStateAt(record, nowMs) === 'active' && isMeant(record)).length;
    after = page.at(-1)?.kid;
    if (after === undefined) return count;
  }
}
