import type { Dialect } from '../dialect.ts';
import { renderAnthropicError, renderAnthropicStreamError } from './errors.ts';
import { createAnthropicSplicer } from './splicer.ts';
import { createAnthropicStreamReader } from './stream.ts';
import { toAnthropicUsage } from './usage.ts';

/** `/v1/messages`, its token counts and its batches. */
export const anthropicMessages: Dialect = {
  name: 'anthropic-messages',
  family: 'anthropic',
  renderError: renderAnthropicError,
  renderStreamError: renderAnthropicStreamError,
  createStreamReader: createAnthropicStreamReader,
  createSplicer: createAnthropicSplicer,
  // the answer of count_tokens is a top-level `input_tokens`: an answer, not usage
  usageMembers: ['usage'],
  readUsage: (member) => toAnthropicUsage(member('usage')),
};
