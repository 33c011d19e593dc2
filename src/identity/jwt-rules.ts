import type { JwtIdentityOptions } from './jwt-options.ts';
import { createOptionCheck, type OptionCheck } from './option.ts';
import { toSafeUrl } from './safe-url.ts';

/** The options of a JWT identity that decide about tokens, checked and with their defaults. */
export interface JwtRules {
  readonly name: string;
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly algorithms: readonly string[];
  /** Without `application/`, in lower case. */
  readonly types: readonly string[];
  /** Whether a token may omit its type. */
  readonly isTypeOptional: boolean;
  readonly jwksUri: string | undefined;
  readonly authorizedParties: readonly string[] | undefined;
  readonly userClaim: string;
  readonly groupsClaim: readonly string[];
  readonly projectClaim: string | undefined;
  readonly applicationClaim: string | undefined;
  /** Pairs of group and team; the first match decides. */
  readonly teams: readonly (readonly [string, string])[];
  readonly defaultTeam: string | undefined;
  readonly environment: string | undefined;
  /** Claims with the values they may have; `undefined` for any. */
  readonly requiredClaims: readonly (readonly [string, readonly string[] | undefined])[];
  readonly clockToleranceS: number;
  readonly maxTokenAgeS: number | undefined;
}

const supported = /^(RS|PS|ES)(256|384|512)$|^(EdDSA|Ed25519)$/;

/** @throws TypeError naming the option that is missing or wrong */
export function toJwtRules(options: JwtIdentityOptions): JwtRules {
  const check = createOptionCheck('createJwtIdentity');
  const { fail, text, texts, integer } = check;
  const optional = (option: string, value: string | undefined, max?: number) =>
    value === undefined ? undefined : text(option, value, max);
  const issuer = text('issuer', options.issuer, 2_048);
  if (!toSafeUrl(issuer)?.protocol || new URL(issuer).search !== '') {
    fail('issuer', 'a URL with https, or with http on this machine');
  }
  if (options.jwksUri !== undefined && !toSafeUrl(options.jwksUri)) {
    fail('jwksUri', 'a URL with https, or with http on this machine');
  }
  const algorithms = texts('algorithms', options.algorithms ?? ['RS256', 'ES256', 'PS256', 'EdDSA']);
  const unsafe = algorithms.find((algorithm) => !supported.test(algorithm));
  if (unsafe !== undefined) {
    // with HS256 whoever knows the public key could sign, with none anybody
    fail('algorithms', `a list of RS, PS or ES with 256, 384 or 512, EdDSA and Ed25519; it has "${unsafe}"`);
  }
  const types = options.types && texts('types', options.types);
  const { maxTokenAgeS } = options;
  const rules: JwtRules = {
    name: text('name', options.name, 64),
    issuer,
    audience: texts('audience', typeof options.audience === 'string' ? [options.audience] : options.audience),
    algorithms,
    types: (types ?? ['jwt', 'at+jwt']).map(normalizeType),
    isTypeOptional: types === undefined,
    jwksUri: options.jwksUri,
    authorizedParties: options.authorizedParties && texts('authorizedParties', options.authorizedParties),
    userClaim: text('userClaim', options.userClaim ?? 'sub'),
    groupsClaim: texts('groupsClaim', toList(options.groupsClaim ?? 'groups')),
    projectClaim: optional('projectClaim', options.projectClaim),
    applicationClaim: optional('applicationClaim', options.applicationClaim),
    teams: toTeams(options.teams ?? {}, check),
    defaultTeam: optional('defaultTeam', options.defaultTeam, 64),
    environment: optional('environment', options.environment, 64),
    requiredClaims: toRequired(options.requiredClaims ?? {}, check),
    clockToleranceS: integer('clockToleranceS', options.clockToleranceS ?? 60, 0, 600),
    maxTokenAgeS: maxTokenAgeS === undefined ? undefined : integer('maxTokenAgeS', maxTokenAgeS, 1),
  };
  if (rules.teams.length === 0 && rules.defaultTeam === undefined) {
    fail('teams', 'given, or "defaultTeam": else nobody has a team');
  }
  return rules;
}

/** A token's `typ`, normalised for comparison (RFC 7515 §4.1.9). */
export function normalizeType(type: string): string {
  return type.toLowerCase().replace(/^application\//, '');
}

function toTeams(teams: JwtIdentityOptions['teams'] & object, check: OptionCheck): JwtRules['teams'] {
  const isList = Array.isArray(teams);
  const pairs: readonly (readonly [string, string])[] = isList ? teams : Object.entries(teams);
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) check.fail('teams', 'pairs of group and team');
    check.text('teams', pair[0]);
    check.text(`teams.${pair[0]}`, pair[1], 64);
    if (!isList && pairs.length > 1 && /^(0|[1-9]\d*)$/.test(pair[0])) {
      check.fail(
        'teams',
        `a list of pairs: an object puts group "${pair[0]}" ahead of others, wherever it stands`,
      );
    }
  }
  return pairs.map(([group, team]) => [group, team]);
}

function toRequired(claims: JwtIdentityOptions['requiredClaims'] & object, check: OptionCheck) {
  return Object.entries(claims).map(([claim, values]) => {
    const allowed = values === true ? undefined : check.texts(`requiredClaims.${claim}`, toList(values));
    return [claim, allowed] as const;
  });
}

function toList(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}
