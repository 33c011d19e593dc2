import { toErrorReply } from './provider-error.ts';
import type { Exchange, Reply, UpstreamFamily } from './types.ts';

/**
 * The refusal of a wrong or missing credential as the provider words it, or `undefined` for a good one.
 * Gemini does answer 400 `API_KEY_INVALID` to a wrong key and 403 to a missing one, not 401.
 */
export function refuseCredential(exchange: Exchange, family: UpstreamFamily): Reply | undefined {
  const accepted = exchange.options.apiKeys;
  if (accepted === undefined) {
    return undefined;
  }
  const credential = readCredential(exchange, family);
  if (credential !== undefined && accepted.includes(credential)) {
    return undefined;
  }
  const isMissing = credential === undefined;
  switch (family) {
    case 'anthropic':
      return toErrorReply(exchange, family, 401, {
        message: isMissing ? 'x-api-key header is required' : 'invalid x-api-key',
      });
    case 'gemini':
      return isMissing
        ? toErrorReply(exchange, family, 403, {
            message:
              "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
          })
        : toErrorReply(exchange, family, 400, {
            message: 'API key not valid. Please pass a valid API key.',
            code: 'API_KEY_INVALID',
          });
    case 'cohere':
      return toErrorReply(exchange, family, 401, {
        message: isMissing ? 'no api key supplied' : 'invalid api token',
      });
    default:
      return toErrorReply(exchange, family, 401, {
        ...(isMissing ? {} : { code: 'invalid_api_key' }),
        message: isMissing
          ? "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
          : `Incorrect API key provided: ${mask(credential)}. You can find your API key at https://platform.openai.com/account/api-keys.`,
      });
  }
}

function readCredential(exchange: Exchange, family: UpstreamFamily): string | undefined {
  const { headers, query } = exchange.request;
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  switch (family) {
    case 'anthropic':
      return headers['x-api-key']?.toString() ?? bearer;
    case 'gemini':
      return headers['x-goog-api-key']?.toString() ?? new URLSearchParams(query).get('key') ?? bearer;
    default:
      return bearer;
  }
}

function mask(credential: string): string {
  return `${credential.slice(0, 3)}${'*'.repeat(8)}${credential.slice(-4)}`;
}
