import type { DialectName } from './dialect.ts';
import type { Operation } from './endpoint.ts';

/** Every wire protocol by name, for configurations. */
export const dialectNames = [
  'openai-chat',
  'openai-completions',
  'openai-responses',
  'openai',
  'anthropic-messages',
  'gemini',
] as const satisfies readonly DialectName[];

/** Every operation that is sent on, for configurations. */
export const operations = [
  'chat',
  'completion',
  'response',
  'response-resource',
  'response-input-tokens',
  'embedding',
  'image',
  'speech',
  'transcription',
  'moderation',
  'rerank',
  'message',
  'message-count-tokens',
  'message-batch-create',
  'message-batch-resource',
  'generate-content',
  'count-tokens',
  'embed-content',
] as const satisfies readonly Operation[];
