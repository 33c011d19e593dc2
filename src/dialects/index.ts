import { anthropicMessages } from './anthropic/index.ts';
import type { Dialect, DialectFamily, DialectName } from './dialect.ts';
import { gemini } from './gemini/index.ts';
import { openAi, openAiChat, openAiCompletions, openAiResponses } from './openai/index.ts';

/** Every wire protocol the gateway speaks. Adding one takes a folder, its fixtures, and a line here. */
export const dialectByName: Readonly<Record<DialectName, Dialect>> = {
  'openai-chat': openAiChat,
  'openai-completions': openAiCompletions,
  'openai-responses': openAiResponses,
  openai: openAi,
  'anthropic-messages': anthropicMessages,
  gemini,
};

/** The dialect that renders a refusal for a family when no endpoint was recognised. */
export const dialectByFamily: Readonly<Record<DialectFamily, Dialect>> = {
  openai: openAi,
  anthropic: anthropicMessages,
  gemini,
};
