import type { BodyMemory } from './body-memory.ts';
import type { Endpoint } from './dialects/endpoint.ts';
import type { JsonObjectIndex } from './json/scan.ts';
import type { BodyTokens } from './limits/body-tokens.ts';

/** The name of a model in a body: its quotes are at `start` and just before `end`. */
export interface NamedModel {
  readonly start: number;
  readonly end: number;
  readonly model: string;
  /** `model` for a request within the request, `fallbacks.model` and the like for models a provider calls by itself. */
  readonly path: string;
}

/** A request whose body has been read and checked: what is asked, of which model. */
export interface Call {
  /** The request's. */
  readonly id: string;
  readonly endpoint: Endpoint;
  /** The model as the caller named it; undefined where the endpoint has none (`GET /v1/responses/{id}`). */
  readonly model: string | undefined;
  /** Whether the caller wants a stream. */
  readonly stream: boolean;
  /** The body as it came, without a byte order mark. Empty once `memory` has given it back: `members` then point at nothing. */
  readonly body: Uint8Array;
  /** Gives the memory of `body` back once it is sent; undefined if somebody else may hold it. @internal */
  readonly memory?: BodyMemory | undefined;
  /** Where the members of a JSON body are; undefined for other bodies. */
  readonly members: JsonObjectIndex | undefined;
  /** Where a multipart body holds the model's name. */
  readonly modelSpan: { readonly start: number; readonly end: number } | undefined;
  /** The most the caller lets the model produce, across all choices; undefined when it set no limit. */
  readonly maxOutputTokens: number | undefined;
  /** Models that the requests of a batch name, `model` being the first; undefined for anything but a batch. */
  readonly batchModels: readonly string[] | undefined;
  /** Models that the body names besides its own. @default none */
  readonly nestedModels?: readonly NamedModel[] | undefined;
  /** Whether the caller itself asked for usage in an OpenAI-shaped stream. */
  readonly wantsStreamUsage: boolean;
  /** `?…` to send upstream, or ''. */
  readonly query: string;
  /** What `estimateBody` found, and for which body. Kept here, it saves a weak map entry per request. @internal */
  counted?: { readonly body: Uint8Array; readonly tokens: BodyTokens } | undefined;
}
