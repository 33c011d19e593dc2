import type { ReadRequest, StreamSplicer } from '../splicer.ts';
import { asObject, type Members } from '../stream-data.ts';
import { createTextSplicer, withUnfinishedTurn } from '../text-splicer.ts';
import { type ChoiceText, spliceChunk, textOfChunk } from './spliced-chunk.ts';

/** Splices streams of Chat Completions: one choice, text only. */
export function createChatSplicer(request: ReadRequest): StreamSplicer {
  let opening: Members | undefined;
  return createTextSplicer({
    textOf(chunk) {
      opening ??= chunk;
      return textOfChunk(chunk, choiceText);
    },
    continuation(text) {
      const messages = withUnfinishedTurn(request('messages'), text);
      return messages && { messages };
    },
    rewriter: (splicing) => (chunk) => spliceChunk(chunk, opening, splicing, choiceText),
    endsWithDone: true,
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
      // those of a piece of which only a part goes out would be wrong
      ...(logprobs !== undefined && { logprobs: null }),
    };
  },
};

function isNothing(value: unknown): boolean {
  return value === null || value === '' || (Array.isArray(value) && value.length === 0);
}
