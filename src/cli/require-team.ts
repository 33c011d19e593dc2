import type { GatewayConfig } from '../config/schema.ts';
import { CommandError } from './command.ts';

/** @throws CommandError for a team that is not configured, naming those that are */
export function requireTeam(team: string, { teams }: GatewayConfig, source: string): void {
  if (typeof teams === 'object' && teams !== null && Object.hasOwn(teams, team)) return;
  const known = Object.keys(teams ?? {}).join(', ') || 'none';
  throw new CommandError(`There is no team ${JSON.stringify(team)} in ${source}. There are: ${known}.`);
}
