import { createHash } from 'node:crypto';
import { createPrincipal, type Principal } from '../principal.ts';
import type { JwtRules } from './jwt-rules.ts';
import { isName } from './option.ts';
import { invalidToken, noTeam } from './refusal.ts';

/** The claims of a token whose signature and registered claims have been verified. */
export type Claims = Readonly<Record<string, unknown>>;

/**
 * The principal that verified claims describe.
 *
 * @throws GatewayError 401 `invalid_token` when a claim is missing or invalid, 403 `not_permitted` when no team follows
 *   from the groups
 */
export function toPrincipal(claims: Claims, rules: JwtRules): Principal {
  const { userClaim, projectClaim, applicationClaim, environment } = rules;
  // a logout or other security event (RFC 8417 §2.2) is signed with the same key, but is nobody's credential
  if (Object.hasOwn(claims, 'events')) throw invalidToken('It is a security event.');
  requireParty(claims, rules);
  for (const [claim, values] of rules.requiredClaims) requireClaim(claims, claim, values);
  const subject = requireName(claims, 'sub', 1_024);
  const user = requireName(claims, userClaim, 200);
  if (userClaim === 'email' && isFalse(claims.email_verified)) {
    throw invalidToken('Its "email_verified" is false.');
  }
  return createPrincipal({
    source: 'jwt',
    key: toKeyId(rules.issuer, subject),
    team: toTeam(claims, rules),
    project: projectClaim && optionalName(claims, projectClaim, 64),
    user,
    application: applicationClaim && optionalName(claims, applicationClaim, 200),
    environment,
    expiresAtMs: toExpiry(claims, rules),
  });
}

/** The instant from which verification refuses the token, so that a remembered one is not trusted for longer. */
function toExpiry({ exp, iat }: Claims, { clockToleranceS, maxTokenAgeS }: JwtRules): number {
  // an age is refused when it is above its bound in whole seconds, an expiry when it is reached
  const endOfAge = maxTokenAgeS === undefined ? Number.POSITIVE_INFINITY : Number(iat) + maxTokenAgeS + 1;
  return Math.min((Math.min(Number(exp), endOfAge) + clockToleranceS) * 1_000, Number.MAX_SAFE_INTEGER);
}

/** Stable for one person at one issuer, whatever the other claims; 132 bits of a digest, so it reveals neither. */
function toKeyId(issuer: string, subject: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([issuer, subject]))
    .digest('base64url');
  return `jwt:${digest.slice(0, 22)}`;
}

function toTeam(claims: Claims, { groupsClaim, teams, defaultTeam, name }: JwtRules): string {
  const groups = readGroups(claims, groupsClaim);
  const team = teams.find(([group]) => groups.has(group))?.[1] ?? defaultTeam;
  if (team !== undefined) return team;
  const claim = groupsClaim.join('.');
  throw noTeam(
    `None of your groups ("${claim}" in the token of ${name}) has a team on this gateway. Ask its operator to give one of them a team, or your organisation to put you into a group that has one.`,
  );
}

function readGroups(claims: Claims, path: readonly string[]): ReadonlySet<unknown> {
  const [first = ''] = path;
  // Microsoft Entra omits the groups when there are many (OpenID Connect Core §5.6.2): unknown is not none
  const elsewhere = claims._claim_names;
  if (!Object.hasOwn(claims, first) && isObject(elsewhere) && Object.hasOwn(elsewhere, first)) {
    throw noTeam(
      'You are in more groups than fit into your token. Ask the operator of this gateway to have only the groups it uses put into tokens.',
    );
  }
  let value: unknown = claims;
  for (const part of path) value = isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  if (value === undefined || value === null) return new Set();
  if (typeof value === 'string') return new Set([value]);
  if (Array.isArray(value)) return new Set(value);
  throw invalidToken(`Its "${path.join('.')}" is neither a text nor a list.`);
}

function requireParty(claims: Claims, { authorizedParties }: JwtRules): void {
  if (!authorizedParties) return;
  // access tokens name the client in `client_id` (RFC 9068 §2.2), ID tokens in `azp`
  const parties = [claims.azp, claims.client_id].filter((party) => party !== undefined);
  if (parties.length === 0 || !parties.every((party) => authorizedParties.includes(party as string))) {
    throw invalidToken('It was issued to another party.');
  }
}

function requireClaim(claims: Claims, claim: string, values: readonly string[] | undefined): void {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  const isGood = values ? values.includes(value as string) : value !== undefined && value !== null;
  if (!isGood) throw invalidToken(`Its "${claim}" is missing or another one than required.`);
}

function requireName(claims: Claims, claim: string, max: number): string {
  const value = optionalName(claims, claim, max);
  if (value === undefined) throw invalidToken(`Its "${claim}" is missing.`);
  return value;
}

function optionalName(claims: Claims, claim: string, max: number): string | undefined {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  if (value === undefined || value === null) return undefined;
  if (!isName(value, max))
    throw invalidToken(`Its "${claim}" is not a text of 1 to ${max} printable characters.`);
  return value;
}

// some providers send it as text
function isFalse(value: unknown): boolean {
  return value === false || (typeof value === 'string' && value.toLowerCase() === 'false');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
