import type { Dialect, DialectName } from '../dialect.ts';
import { createChatSplicer } from './chat-splicer.ts';
import { createChatStreamReader } from './chat-stream.ts';
import { createCompletionsSplicer } from './completions-splicer.ts';
import { renderChatStreamError, renderOpenAiError, renderResponsesStreamError } from './errors.ts';
import { createMediaStreamReader } from './media-stream.ts';
import { createResponsesSplicer } from './responses-splicer.ts';
import { createResponsesStreamReader } from './responses-stream.ts';
import { openAiUsageMembers, readOpenAiUsage } from './usage.ts';

const common = {
  family: 'openai',
  renderError: renderOpenAiError,
  renderStreamError: renderChatStreamError,
  usageMembers: openAiUsageMembers,
  readUsage: readOpenAiUsage,
} as const;

function create(name: DialectName, own: Pick<Dialect, 'createStreamReader'> & Partial<Dialect>): Dialect {
  return { ...common, ...own, name };
}

/** `POST /v1/chat/completions`. */
export const openAiChat = create('openai-chat', {
  createStreamReader: createChatStreamReader,
  createSplicer: createChatSplicer,
});

/** `POST /v1/completions`, the legacy text completions. */
export const openAiCompletions = create('openai-completions', {
  createStreamReader: createChatStreamReader,
  createSplicer: createCompletionsSplicer,
});

/** `/v1/responses` and what lies below it. */
export const openAiResponses = create('openai-responses', {
  createStreamReader: createResponsesStreamReader,
  createSplicer: createResponsesSplicer,
  renderStreamError: renderResponsesStreamError,
});

/** The other OpenAI endpoints: embeddings, images, audio, moderations, models, rerank. */
export const openAi = create('openai', { createStreamReader: createMediaStreamReader });
