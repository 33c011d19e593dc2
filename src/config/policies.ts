import { type Limit, toLimit } from '../limits/limit.ts';
import type { ConfigIssue } from './config-error.ts';
import { overlaps } from './patterns.ts';
import type { LimitConfig, ParsedConfig } from './schema.ts';
import type { TeamPolicy } from './snapshot.ts';

/** What each team may do: its profile's models, and the limits of the organisation, the team and the profile. */
export function compilePolicies(config: ParsedConfig, issues: ConfigIssue[]) {
  const compile = (limits: readonly LimitConfig[], path: string, origin: string, per: Limit['per']) =>
    compileLimits(limits, path, origin, per, issues);
  const organisation = compile(config.limits, 'limits', 'organisation', 'organisation');
  const ofProfile = new Map(
    Object.entries(config.profiles).map(([name, { limits }]) => [
      name,
      compile(limits, `profiles.${name}.limits`, `profile ${name}`, 'key'),
    ]),
  );
  const policies = new Map<string, TeamPolicy>();
  for (const [team, entry] of Object.entries(config.teams)) {
    const own = compile(entry.limits, `teams.${team}.limits`, `team ${team}`, 'team');
    const inherited = ofProfile.get(entry.profile);
    if (!inherited) {
      issues.push({ path: `teams.${team}.profile`, message: `no profile "${entry.profile}" is configured` });
      continue;
    }
    policies.set(team, {
      team,
      profile: entry.profile,
      models: config.profiles[entry.profile]?.models ?? [],
      limits: [...organisation, ...own, ...inherited],
    });
  }
  return policies;
}

function compileLimits(
  limits: readonly LimitConfig[],
  path: string,
  origin: string,
  per: Limit['per'],
  issues: ConfigIssue[],
): Limit[] {
  const compiled = limits.map((limit) => toLimit(limit, origin, per));
  for (const [index, { prefix, per }] of compiled.entries()) {
    if (compiled.findIndex((other) => other.prefix === prefix && other.per === per) === index) continue;
    issues.push({
      path: `${path}[${index}]`,
      message: 'counts the same as a limit before it; keep one of them',
    });
  }
  return compiled;
}

/** Every key belongs to a team that is configured, and no two share an id. */
export function checkKeys(config: ParsedConfig, issues: ConfigIssue[]): void {
  const seen = new Set<string>();
  for (const [index, key] of config.keys.entries()) {
    if (seen.has(key.kid))
      issues.push({ path: `keys[${index}].kid`, message: `the id "${key.kid}" is used twice` });
    seen.add(key.kid);
    if (!Object.hasOwn(config.teams, key.team)) {
      issues.push({ path: `keys[${index}].team`, message: `no team "${key.team}" is configured` });
    }
  }
}

/** A budget can only hold if every request it covers has a price: an unknown one would be free. */
export function checkPrices(
  config: ParsedConfig,
  policies: ReadonlyMap<string, TeamPolicy>,
  issues: ConfigIssue[],
): void {
  for (const [name, model] of Object.entries(config.models)) {
    if (model.price) continue;
    const budget = [...policies.values()]
      .filter((policy) => policy.models.some((pattern) => overlaps(pattern, name)))
      .flatMap((policy) => policy.limits)
      .find(
        ({ unit, models }) => unit === 'usd' && (models ?? ['*']).some((pattern) => overlaps(pattern, name)),
      );
    if (!budget) continue;
    const message = `the limit "${budget.label}" covers this model, so it needs a price`;
    issues.push({ path: `models.${name}.price`, message });
  }
}
