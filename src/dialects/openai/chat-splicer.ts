import type { ReadRequest, StreamSplicer } from '../splicer.ts';
import { asObject } from '../stream-data.ts';
import { withUnfinishedTurn } from '../text-splicer.ts';
import { type ChoiceText, createChunkSplicer } from './spliced-chunk.ts';

/** Splices streams of Chat Completions: one choice, text only. */
export function createChatSplicer(request: ReadRequest): StreamSplicer {
  return createChunkSplicer(choiceText, {
    continuation(text) {
      const messages = withUnfinishedTurn(request('messages'), text);
      return messages && { messages };
    },
  });
}

const choiceText: ChoiceText = {
  textOf({ delta }) {
    let text = '';
    for (const [name, value] of Object.entries(asObject(delta) ?? {})) {
      if (name === 'content' && typeof value === 'string') text = value;
      else if (name !== 'role' && !isNothing(value)) return undefined;
    }
    return text;
  },
  withText(choice, text) {
    const delta = asObject(choice.delta);
    const { logprobs } = choice;
    return {
      ...choice,
      ...(delta && 'content' in delta && { delta: { ...delta, content: text } }),
      // wrong for a piece of which only a part goes out
      ...(logprobs !== undefined && { logprobs: null }),
    };
  },
};

function isNothing(value: unknown): boolean {
  return value === null || value === '' || (Array.isArray(value) && value.length === 0);
}
