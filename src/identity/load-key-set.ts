import { fetchJson, type JsonFetcher } from './fetch-json.ts';
import { type Jose, loadJose } from './jose.ts';
import type { LoadedKeys } from './key-set.ts';
import { isLocal, toSafeUrl } from './safe-url.ts';

/** Where the keys of an issuer are. */
export interface KeySetLocation {
  readonly issuer: string;
  /** Trusted as it is. Without it, the issuer's discovery document names it (OpenID Connect Discovery 1.0 §4). */
  readonly jwksUri: string | undefined;
  readonly maxKeys: number;
}

/**
 * Reads the public keys of an issuer (RFC 7517 §5).
 *
 * @throws Error when a document cannot be fetched, is invalid, or names another issuer
 */
export async function loadKeySet(fetcher: JsonFetcher, location: KeySetLocation): Promise<LoadedKeys> {
  const jose = await loadJose();
  const url = location.jwksUri ? new URL(location.jwksUri) : await discover(fetcher, location.issuer);
  const document = await fetchJson(fetcher, url);
  const keys = isObject(document) && Array.isArray(document.keys) ? document.keys.filter(isObject) : [];
  if (keys.length === 0 || keys.length > location.maxKeys) {
    throw new Error(
      `The key set of ${location.issuer} holds ${keys.length} keys, not 1 to ${location.maxKeys}.`,
    );
  }
  const local = jose.createLocalJWKSet({ keys } as Parameters<Jose['createLocalJWKSet']>[0]);
  return {
    fingerprint: JSON.stringify(keys),
    async find(header) {
      try {
        return await local(header);
      } catch (error) {
        if ((error as { code?: unknown }).code === 'ERR_JWKS_NO_MATCHING_KEY') return undefined;
        throw error;
      }
    },
  };
}

async function discover(fetcher: JsonFetcher, issuer: string): Promise<URL> {
  const base = issuer.endsWith('/') ? issuer.slice(0, -1) : issuer;
  const document = await fetchJson(fetcher, new URL(`${base}/.well-known/openid-configuration`));
  if (!isObject(document) || document.issuer !== issuer) {
    throw new Error(`The discovery document of ${issuer} is that of another issuer.`);
  }
  const url = toSafeUrl(document.jwks_uri);
  // a remote provider must not send us to a service on this machine
  if (!url || (isLocal(url) && !isLocal(new URL(issuer)))) {
    throw new Error(`The discovery document of ${issuer} names no jwks_uri with https.`);
  }
  return url;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
