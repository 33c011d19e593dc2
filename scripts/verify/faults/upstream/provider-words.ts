import { quotaDetails, toErrorBody } from '../../../../src/testing/fake-upstream/provider-error.ts';
import { toStreamError } from '../../../../src/testing/fake-upstream/stream-error.ts';
import type { Dialect } from '../dialects.ts';

const tooLong = {
  openai: {
    type: 'invalid_request_error',
    code: 'context_length_exceeded',
    message: "This model's maximum context length is 128000 tokens. Your messages resulted in 200001 tokens.",
  },
  anthropic: {
    type: 'invalid_request_error',
    message: 'prompt is too long: 200001 tokens > 200000 maximum',
  },
  gemini: {
    type: 'INVALID_ARGUMENT',
    message: 'The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).',
  },
} as const;

/** How the provider of a dialect words its errors. */
export function toProviderWords({ provider, toRequest, name }: Dialect) {
  return {
    toError(status: number, kind: 'usual' | 'no-money' | 'too-long'): string {
      const detail = kind === 'usual' ? {} : kind === 'no-money' ? quotaDetails[provider] : tooLong[provider];
      return JSON.stringify(toErrorBody(provider, status, detail));
    },
    toErrorEvent(status: number): string {
      const path = toRequest('m', true).path.split('?')[0] ?? '';
      const frame = toStreamError(provider, path, {
        kind: 'stream-error',
        afterChunks: 0,
        status: name === 'anthropic-messages' && status === 503 ? 529 : status,
      });
      return `${frame.event ? `event: ${frame.event}\n` : ''}data: ${frame.data}\n\n`;
    },
  };
}
