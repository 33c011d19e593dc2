import type { DialectFamily, DialectName } from './dialect.ts';

/** What a request asks for, in words of our own. */
export type Operation =
  | 'chat'
  | 'completion'
  | 'response'
  | 'response-resource'
  | 'response-input-tokens'
  | 'embedding'
  | 'image'
  | 'speech'
  | 'transcription'
  | 'moderation'
  | 'rerank'
  | 'message'
  | 'message-count-tokens'
  | 'message-batch-create'
  | 'message-batch-resource'
  | 'generate-content'
  | 'count-tokens'
  | 'embed-content'
  | 'list-models'
  | 'get-model'
  | 'limits'
  | 'health-report';

/** An endpoint as recognised from method, path and headers. */
export interface Endpoint {
  readonly operation: Operation;
  readonly dialect: DialectName;
  readonly family: DialectFamily;
  /** `json` and `multipart` bodies are read and checked; `none` means that a body is refused. */
  readonly body: 'json' | 'multipart' | 'none';
  /**
   * The model where the path names it (Gemini, `GET /v1/models/{id}`), percent-decoded once; it may hold slashes.
   * A tuned Gemini model keeps its `tunedModels/`, and a Vertex model of a publisher other than Google is
   * `publisher/model`, so that neither passes for another model of the same name.
   */
  readonly model?: string;
  /** Whether the path itself asks for a stream (Gemini); elsewhere `stream: true` in the body does. */
  readonly streams?: boolean;
  /**
   * Path below the provider's base URL, starting with `/`, without query; `{model}` stands where the upstream's
   * model name goes. OpenAI: below `…/v1` (`/chat/completions`); Anthropic and Gemini: with their version
   * (`v1` or `v1beta`; Vertex's longer spellings come out in this form too, `v1beta1` as `v1beta`).
   */
  readonly upstreamPath: string;
  /** Everything before the recognised tail: the mount prefix as the caller sees it, `''` or `/…` without trailing slash. */
  readonly prefix: string;
}
