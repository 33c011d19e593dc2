import { LRUCache } from 'lru-cache';
import { rememberWindows } from '../limits/remember-windows.ts';
import type { LimitSubject } from '../limits/subject.ts';
import type { Principal } from '../principal.ts';
import type { Catalog } from './catalog.ts';
import { compileLimits } from './compile-limits.ts';
import type { ConfigIssue } from './config-error.ts';
import { combineLevels, type Level, narrowPolicy } from './levels.ts';
import { suggest } from './nearest-name.ts';
import type { Policy } from './policy.ts';
import type { LimitConfig, ParsedConfig } from './schema.ts';

/** The policies of one version of the configuration. */
export interface Policies {
  /** What a team may do, regardless of project, user and key; undefined for a team that is not configured. */
  ofTeam(team: string): Policy | undefined;
  /**
   * What a caller may do; undefined if its team is not configured, or its project is not one of its team's. Computed
   * once for each principal: the same object from then on.
   */
  of(principal: Principal): Policy | undefined;
  /** What each level says, for checks. */
  readonly levels: Levels;
}

/** What each part of the configuration says about access, compiled. */
export interface Levels {
  readonly organisation: Level;
  readonly profiles: ReadonlyMap<string, Level>;
  readonly teams: ReadonlyMap<string, { readonly profile: string; readonly level: Level }>;
  readonly projects: ReadonlyMap<
    string,
    { readonly team: string; readonly profile: string | undefined; readonly level: Level }
  >;
  readonly users: ReadonlyMap<string, Level>;
}

/** @param maxPolicies combinations of team, project and user that are cached */
export function compilePolicies(
  config: ParsedConfig,
  catalog: Catalog,
  maxPolicies: number,
  issues: ConfigIssue[],
): Policies {
  const levels = compileLevels(config, issues);
  // one for each combination in use: users cost nothing for teams that they are not in
  const combined = new LRUCache<string, Policy>({ max: maxPolicies });
  // freed with the principal, which is freed with its entry in the cache of keys
  const ofPrincipals = new WeakMap<Principal, Policy>();

  function combine(team: string, project: string | undefined, user: string | undefined): Policy | undefined {
    const key = `${team}\n${project ?? ''}\n${user ?? ''}`;
    const known = combined.get(key);
    if (known) return known;
    const own = levels.teams.get(team);
    const profile = own && levels.profiles.get(own.profile);
    if (!profile) return undefined;
    const ofProject = project === undefined ? undefined : levels.projects.get(project);
    const policy = combineLevels(
      { team, project, profile: own.profile, profileOrigin: `teams.${team}.profile` },
      {
        organisation: levels.organisation,
        team: own.level,
        profile,
        project: ofProject?.level,
        projectProfile: ofProject?.profile === undefined ? undefined : levels.profiles.get(ofProject.profile),
        user: user === undefined ? undefined : levels.users.get(user),
      },
      catalog.sets,
    );
    combined.set(key, policy);
    return policy;
  }

  return {
    levels,
    ofTeam: (team) => combine(team, undefined, undefined),
    of(principal) {
      const known = ofPrincipals.get(principal);
      if (known) return known;
      const { team, project, user } = principal;
      const listed = levels.projects.size > 0 ? project : undefined;
      if (listed !== undefined && levels.projects.get(listed)?.team !== team) return undefined;
      const shared = combine(team, listed, user !== undefined && levels.users.has(user) ? user : undefined);
      if (!shared) return undefined;
      const policy = narrowPolicy(shared, principal, catalog.sets);
      ofPrincipals.set(principal, policy);
      return policy;
    },
  };
}

function compileLevels(config: ParsedConfig, issues: ConfigIssue[]): Levels {
  const windowOf = rememberWindows();
  const limits = (given: readonly LimitConfig[], path: string, origin: string, per: LimitSubject) =>
    compileLimits(given, path, origin, per, issues, windowOf);
  const checkProfile = (profile: string, path: string) => {
    if (Object.hasOwn(config.profiles, profile)) return;
    const message = `no profile "${profile}" is configured${suggest(profile, Object.keys(config.profiles))}`;
    issues.push({ path: `${path}.profile`, message });
  };
  const compileEach = <Entry extends object, Result>(
    entries: Readonly<Record<string, Entry>>,
    compile: (entry: Entry, name: string) => Result,
  ) => new Map(Object.entries(entries).map(([name, entry]) => [name, compile(entry, name)]));

  return {
    organisation: {
      path: 'organisation',
      limitsPath: 'limits',
      ...config.organisation,
      limits: limits(config.limits, 'limits', 'organisation', 'organisation'),
    },
    profiles: compileEach(config.profiles, (entry, name): Level => {
      const path = `profiles.${name}`;
      return { path, ...entry, limits: limits(entry.limits, `${path}.limits`, `profile ${name}`, 'key') };
    }),
    teams: compileEach(config.teams, (entry, name) => {
      const path = `teams.${name}`;
      checkProfile(entry.profile, path);
      const level: Level = { path, limits: limits(entry.limits, `${path}.limits`, `team ${name}`, 'team') };
      return { profile: entry.profile, level };
    }),
    projects: compileEach(config.projects, ({ team, profile, ...entry }, name) => {
      const path = `projects.${name}`;
      if (profile !== undefined) checkProfile(profile, path);
      if (!Object.hasOwn(config.teams, team)) {
        const message = `no team "${team}" is configured${suggest(team, Object.keys(config.teams))}`;
        issues.push({ path: `${path}.team`, message });
      }
      const own = limits(entry.limits, `${path}.limits`, `project ${name}`, 'project');
      return { team, profile, level: { path, ...entry, limits: own } as Level };
    }),
    users: compileEach(config.users, (entry, name): Level => {
      const path = `users.${name}`;
      return { path, ...entry, limits: limits(entry.limits, `${path}.limits`, `user ${name}`, 'user') };
    }),
  };
}
