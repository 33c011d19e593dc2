import type { GatewayConfig } from '../config/schema.ts';
import { CommandError } from './command.ts';

/** @throws CommandError for a team that is not configured, naming those that are; for a project too, if any is */
export function requireTeam(
  team: string,
  { teams, projects }: GatewayConfig,
  source: string,
  project?: string,
): void {
  requireName('team', team, Object.keys(teams ?? {}), source);
  const all = Object.entries(projects ?? {});
  // while none is configured, a key's project is a label
  if (project === undefined || all.length === 0) return;
  const own = all.filter(([, entry]) => entry?.team === team).map(([name]) => name);
  requireName(`project of team ${JSON.stringify(team)}`, project, own, source);
}

function requireName(what: string, name: string, known: readonly string[], source: string): void {
  if (known.includes(name)) return;
  const there = known.join(', ') || 'none';
  throw new CommandError(`There is no ${what} ${JSON.stringify(name)} in ${source}. There are: ${there}.`);
}
