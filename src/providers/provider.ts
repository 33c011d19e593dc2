import type { Call } from '../call.ts';
import type { DialectFamily } from '../dialects/dialect.ts';
import type { HeaderMap } from '../message.ts';

/** What a provider's own error means for the next step. */
export interface ProviderFailure {
  /**
   * - `bad_request`: for the caller to fix; the provider's error is passed on.
   * - `rate_limited`, `overloaded`, `server_error`: the same request may succeed later or elsewhere.
   * - `credential`, `quota`: this credential cannot serve; another may.
   * - `context_too_long`: a model with a larger context window may serve; else passed on like a bad request.
   * - `content_refused`: the provider's content filter; passed on like a bad request.
   */
  readonly kind:
    | 'bad_request'
    | 'rate_limited'
    | 'overloaded'
    | 'server_error'
    | 'credential'
    | 'quota'
    | 'context_too_long'
    | 'content_refused';
  /** How long the body asks to wait, for providers that do not use `retry-after`. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * One kind of upstream. A provider is written once per wire protocol, in one file, and registered in
 * `providers/index.ts` or given to `createGateway` as `options.providers`.
 */
export interface Provider {
  /** The `type` in the configuration. */
  readonly type: string;
  /** The family of dialects it speaks natively. */
  readonly family: DialectFamily;
  /** Used when the configuration names no `baseUrl`. */
  readonly defaultBaseUrl: string;
  /** What many append to the base URL although the provider's paths include it. It is removed. @default nothing */
  readonly surplus?: RegExp;
  /** Header that carries the credential, with its value. */
  authenticate(apiKey: string): readonly [name: string, value: string];
  /**
   * The header that tells how long the answer is awaited: what is left of the request's time.
   *
   * @default there is none
   */
  deadline?(leftMs: number): Readonly<Record<string, string>>;
  /** Path with query below the base URL for a call to one of its models. */
  path(call: Call, upstreamModel: string | undefined): string;
  /** Request headers passed on besides the ones that every provider gets. */
  readonly requestHeaders: readonly string[];
  /** Reply headers passed on besides the ones that every provider's replies keep. */
  readonly replyHeaders: readonly string[];
  /** Classifies an error reply. `body` is the parsed JSON, or undefined if it was not JSON. */
  classify(status: number, headers: HeaderMap, body: unknown): ProviderFailure;
}
