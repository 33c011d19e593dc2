import type { Runtime } from '../runtime.ts';
import type { Egress } from '../upstream/egress.ts';

/** Which tokens are accepted, and what their holders become. */
export interface JwtIdentityOptions {
  /** Short name for messages and logs: `okta`, `entra`, … */
  readonly name: string;
  /** What the `iss` of a token must be, exactly. A token of another issuer is left to the next way. */
  readonly issuer: string;
  /**
   * What the `aud` of a token must be or contain; of a list, one. The name of this gateway at the provider: a token
   * issued for another application is refused.
   */
  readonly audience: string | readonly string[];
  /**
   * Signature algorithms (RFC 7518 §3.1): RS, PS and ES with 256, 384 and 512, EdDSA and Ed25519. `none` and the
   * symmetric ones are a TypeError. @default ['RS256', 'ES256', 'PS256', 'EdDSA']
   */
  readonly algorithms?: readonly string[];
  /** What the `typ` of a token must be. @default `JWT` or `at+jwt` (RFC 9068), and it may be absent */
  readonly types?: readonly string[];
  /** Where the provider's keys are. @default from discovery, `<issuer>/.well-known/openid-configuration` */
  readonly jwksUri?: string;
  /** Clients that tokens may be issued to: `azp`, or `client_id` in access tokens. @default any client that is issued tokens for the audience */
  readonly authorizedParties?: readonly string[];
  /**
   * Claim that names the user, for attribution, limits for each user and their own provider credentials. With `email`,
   * a token whose `email_verified` is false is refused; choose it only where users cannot set addresses themselves. The
   * principal's `key` is always made of `iss` and `sub`. @default 'sub'
   */
  readonly userClaim?: string;
  /** Claim with the groups (a text or a list), or the path to it: `['realm_access', 'roles']`. @default 'groups' */
  readonly groupsClaim?: string | readonly string[];
  /**
   * Team of each group: the first one, in this order, that the holder is in decides. A list of pairs, or an object if
   * no group is a number (an object would put those first). @default none, then `defaultTeam` is needed
   */
  readonly teams?: Readonly<Record<string, string>> | readonly (readonly [group: string, team: string])[];
  /** Team of those without such a group. @default none: 403 `not_permitted` */
  readonly defaultTeam?: string;
  /** Claim that names the project. @default no project */
  readonly projectClaim?: string;
  /** Claim that names the agent or application: `azp`, `client_id`, … @default none */
  readonly applicationClaim?: string;
  /** Environment of these principals. @default none */
  readonly environment?: string;
  /** More claims that a token must have: `true` for any value, else the accepted value or values. @default none */
  readonly requiredClaims?: Readonly<Record<string, true | string | readonly string[]>>;
  /** Seconds that the clocks may differ by, for `exp`, `nbf` and `iat`. 0 to 600. @default 60 */
  readonly clockToleranceS?: number;
  /** Seconds after `iat` at which a token is refused, whatever its `exp` says. @default its `exp` alone decides */
  readonly maxTokenAgeS?: number;
  /** Longest token in characters; a longer text is no token. At most 65_536. @default 16_384 */
  readonly maxTokenLength?: number;
  /** Verified tokens remembered, by their SHA-256; the least recently used goes first. @default 10_000 */
  readonly cacheMax?: number;
  /** A token is verified again after this time, at most 300_000. @default 300_000 */
  readonly cacheMs?: number;
  /** Refused tokens remembered, apart from the others. @default 10_000 */
  readonly refusedMax?: number;
  /** How long they are remembered. At most 60_000. @default 5_000 */
  readonly refusedMs?: number;
  /** Tokens being verified at once, including those that wait for the provider's keys; more get 503. @default 10_000 */
  readonly maxPending?: number;
  /**
   * The provider's keys are trusted this long, and read again in the background before that. So a key that the provider
   * withdrew is refused after `jwksCacheMs` + `cacheMs` at the latest. @default 600_000
   */
  readonly jwksCacheMs?: number;
  /** While the provider is unreachable, its keys are trusted this much longer; then 503. @default 3_600_000 */
  readonly jwksStaleMs?: number;
  /**
   * A token with an unknown `kid` triggers a new read, at most this often; in between it is refused. @default 30_000
   */
  readonly jwksCooldownMs?: number;
  /** While the provider is unreachable, it is tried again at most this often. @default 1_000 */
  readonly jwksRetryMs?: number;
  /** Deadline for each document of the provider. @default 3_000 */
  readonly jwksTimeoutMs?: number;
  /** Most bytes of each document of the provider. @default 1_048_576 */
  readonly jwksMaxBytes?: number;
  /** Most keys in the provider's set; with more, the read fails. @default 100 */
  readonly jwksMaxKeys?: number;
  /**
   * Called for each failed read of the provider's keys. What it throws is ignored. @default ignored; callers see 503
   * when it matters
   */
  readonly onError?: (error: unknown) => void;
  /** @default the system's */
  readonly runtime?: Runtime;
  /** The way to the provider; not closed with the identity. @default undici, closed with it */
  readonly egress?: Egress;
}
