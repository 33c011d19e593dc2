import { type GatewayError, isGatewayError } from '../errors.ts';
import type { Principal } from '../principal.ts';
import { createRuntime } from '../runtime.ts';
import { createUndiciEgress } from '../upstream/undici-egress.ts';
import { peekToken, readToken } from './bearer-token.ts';
import { toPrincipal } from './claims.ts';
import type { Identity } from './identity.ts';
import type { JwtIdentityOptions } from './jwt-options.ts';
import { toJwtRules } from './jwt-rules.ts';
import { createKeySet } from './key-set.ts';
import { loadKeySet } from './load-key-set.ts';
import { createOptionCheck } from './option.ts';
import { expiredToken, identityUnavailable, invalidToken } from './refusal.ts';
import { createTokenCache, digestToken } from './token-cache.ts';
import { requireHeader, verifyToken } from './verify-token.ts';

/** Callers with a token of the organisation's identity provider. */
export interface JwtIdentity extends Identity {
  identify(request: Parameters<Identity['identify']>[0]): Principal | undefined | Promise<Principal>;
  /**
   * Resolves when the provider's keys are loaded and tokens can be verified. Optional: otherwise the first token waits
   * for them. Useful at start, to detect a wrong address or a missing library.
   *
   * @throws GatewayError whose cause says what is wrong
   */
  ready(): Promise<void>;
  /** Stops reading keys and closes connections. Nothing can be verified afterwards. */
  close(): void;
}

/**
 * Accepts JSON Web Tokens (RFC 7519) of one OpenID Connect provider in place of keys: `authorization: Bearer`, or any
 * other header field that may carry a key. Needs the library `jose`, which is loaded with the first token.
 *
 * `iss` and `sub` identify the holder, whose team is that of the first of `teams` among the groups. While the provider
 * is unreachable, tokens whose key is known stay valid until they expire, for `jwksStaleMs`.
 *
 * `identify` throws 401 `invalid_token` and `expired_token`, 403 `not_permitted` (no team), 503 `identity_unavailable`
 * (the keys cannot be read, or `maxPending` tokens are waiting), 400 `ambiguous_credentials` and `key_in_query`. It
 * returns `undefined` for requests without a token, and for tokens of another issuer: the next way may know them.
 *
 * @throws TypeError naming the option that is missing or wrong
 */
export function createJwtIdentity(options: JwtIdentityOptions): JwtIdentity {
  const rules = toJwtRules(options);
  const { integer } = createOptionCheck('createJwtIdentity');
  const runtime = options.runtime ?? createRuntime();
  const egress = options.egress ?? createUndiciEgress();
  const maxTokenLength = integer('maxTokenLength', options.maxTokenLength ?? 16_384, 256, 65_536);
  const maxPending = integer('maxPending', options.maxPending ?? 10_000, 1);
  const maxKeys = integer('jwksMaxKeys', options.jwksMaxKeys ?? 100, 1, 10_000);
  const stopping = new AbortController();
  const fetcher = {
    egress,
    runtime,
    timeoutMs: integer('jwksTimeoutMs', options.jwksTimeoutMs ?? 3_000, 1, 60_000),
    maxBytes: integer('jwksMaxBytes', options.jwksMaxBytes ?? 1_048_576, 1, 16_777_216),
    pool: `identity ${rules.name}`,
    signal: stopping.signal,
  };
  const tokens = createTokenCache(runtime, {
    cacheMax: integer('cacheMax', options.cacheMax ?? 10_000, 1, 1_000_000),
    cacheMs: integer('cacheMs', options.cacheMs ?? 300_000, 0, 300_000),
    refusedMax: integer('refusedMax', options.refusedMax ?? 10_000, 1, 1_000_000),
    refusedMs: integer('refusedMs', options.refusedMs ?? 5_000, 0, 60_000),
  });
  const keys = createKeySet(() => loadKeySet(fetcher, { ...rules, maxKeys }), runtime, {
    cacheMs: integer('jwksCacheMs', options.jwksCacheMs ?? 600_000, 1),
    staleMs: integer('jwksStaleMs', options.jwksStaleMs ?? 3_600_000, 0),
    cooldownMs: integer('jwksCooldownMs', options.jwksCooldownMs ?? 30_000, 1),
    retryMs: integer('jwksRetryMs', options.jwksRetryMs ?? 1_000, 1),
    onChange: tokens.clear,
    onError: options.onError ?? (() => undefined),
  });
  const pending = new Map<string, Promise<Principal>>();

  const verify = async (token: string, digest: string): Promise<Principal> => {
    let { epoch } = tokens;
    let isKeyKnown = true;
    try {
      const claims = await verifyToken(
        token,
        async (header) => {
          const key = await keys.find(header);
          // reading keys may have begun a new epoch
          epoch = tokens.epoch;
          isKeyKnown = key !== undefined;
          if (key) return key;
          throw invalidToken('The provider has no such key.');
        },
        rules,
        runtime,
      );
      const principal = toPrincipal(claims, rules);
      const finding = (): Principal => {
        if (runtime.now() < (principal.expiresAtMs ?? 0)) return principal;
        throw expiredToken('Its "exp" has passed since it was verified.');
      };
      tokens.keep(digest, finding, epoch);
      return principal;
    } catch (error) {
      // an unknown key may be known in a moment
      if (isKeyKnown && isRefusal(error)) tokens.keepRefused(digest, error, epoch);
      throw error;
    }
  };

  return {
    name: rules.name,
    identify(request) {
      const token = readToken(request, maxTokenLength);
      if (token === undefined) return undefined;
      const digest = digestToken(token);
      const finding = tokens.find(digest);
      if (finding) return finding();
      const claim = peekToken(token);
      if (claim?.issuer !== rules.issuer) return undefined;
      requireHeader(claim, rules);
      const running = pending.get(digest);
      if (running) return running;
      if (pending.size >= maxPending) {
        throw identityUnavailable(new Error(`${pending.size} tokens are being verified already.`));
      }
      const verification = verify(token, digest).finally(() => pending.delete(digest));
      pending.set(digest, verification);
      return verification;
    },
    async ready() {
      await keys.ready();
    },
    close() {
      stopping.abort(new Error(`The identity ${rules.name} was closed.`));
      if (!options.egress) void egress.close();
    },
  };
}

function isRefusal(error: unknown): error is GatewayError {
  return isGatewayError(error) && error.status < 500;
}
