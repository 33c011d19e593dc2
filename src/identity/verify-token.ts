import type { CryptoKey, JWTHeaderParameters, JWTVerifyOptions } from 'jose';
import { isGatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import type { TokenClaim } from './bearer-token.ts';
import type { Claims } from './claims.ts';
import { loadJose } from './jose.ts';
import { type JwtRules, normalizeType } from './jwt-rules.ts';
import { expiredToken, identityBroken, invalidToken } from './refusal.ts';

/** The key that a token's header asks for. */
export type FindTokenKey = (header: JWTHeaderParameters) => Promise<CryptoKey>;

/**
 * Refuses by its header what no key could make valid, so that no keys are read for it: an algorithm not accepted (RFC
 * 8725 §3.1), another kind of token (§3.11), critical extensions, of which we know none (RFC 7515 §4.1.11).
 *
 * @throws GatewayError 401 `invalid_token`
 */
export function requireHeader({ header }: TokenClaim, rules: JwtRules): void {
  if (!rules.algorithms.includes(header.alg as string)) throw invalidToken('Its "alg" is not accepted.');
  if ('crit' in header || 'b64' in header || 'enc' in header || 'zip' in header) {
    throw invalidToken('Its header has extensions that are not accepted.');
  }
  if ('kid' in header && typeof header.kid !== 'string') throw invalidToken('Its "kid" is no text.');
  const isTyped =
    header.typ === undefined
      ? rules.isTypeOptional
      : typeof header.typ === 'string' && rules.types.includes(normalizeType(header.typ));
  if (!isTyped) throw invalidToken('Its "typ" is not accepted.');
}

/**
 * Verifies signature, issuer, audience and times (RFC 7519 §7.2); `exp` is required.
 *
 * @throws GatewayError 401 `invalid_token`, `expired_token`; what `findKey` threw, when it is a GatewayError
 */
export async function verifyToken(
  token: string,
  findKey: FindTokenKey,
  rules: JwtRules,
  runtime: Runtime,
): Promise<Claims> {
  const jose = await loadJose().catch((error) => {
    throw identityBroken(error);
  });
  const options: JWTVerifyOptions = {
    algorithms: [...rules.algorithms],
    issuer: rules.issuer,
    audience: [...rules.audience],
    requiredClaims: ['exp', 'sub'],
    clockTolerance: rules.clockToleranceS,
    currentDate: new Date(runtime.now()),
    ...(rules.maxTokenAgeS !== undefined && { maxTokenAge: rules.maxTokenAgeS }),
  };
  try {
    return (await jose.jwtVerify(token, findKey, options)).payload;
  } catch (error) {
    if (isGatewayError(error)) throw error;
    // the library's own errors carry the claims, so only their names are passed on
    const { code, claim } = error as { code?: unknown; claim?: unknown };
    const reason = `${typeof code === 'string' ? code : 'The key does not fit.'}${typeof claim === 'string' ? ` "${claim}"` : ''}`;
    throw code === 'ERR_JWT_EXPIRED' ? expiredToken(reason) : invalidToken(reason);
  }
}
