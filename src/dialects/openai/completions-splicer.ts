import type { ReadRequest, StreamSplicer } from '../splicer.ts';
import type { Members } from '../stream-data.ts';
import { createTextSplicer } from '../text-splicer.ts';
import { type ChoiceText, spliceChunk, textOfChunk } from './spliced-chunk.ts';

/** Splices streams of the legacy text completions: one choice, without log probabilities. */
export function createCompletionsSplicer(request: ReadRequest): StreamSplicer {
  let opening: Members | undefined;
  return createTextSplicer({
    textOf(chunk) {
      opening ??= chunk;
      return textOfChunk(chunk, choiceText);
    },
    continuation(text) {
      // it would say the prompt again, and what went out with it
      if (request('echo') === true) return undefined;
      const prompt = request('prompt');
      const [only, ...others] = Array.isArray(prompt) ? prompt : [prompt];
      return typeof only === 'string' && others.length === 0 ? { prompt: only + text } : undefined;
    },
    rewriter: (splicing) => (chunk) => spliceChunk(chunk, opening, splicing, choiceText),
    isExact: true,
    endsWithDone: true,
  });
}

const choiceText: ChoiceText = {
  textOf({ text = '', logprobs }) {
    return typeof text === 'string' && (logprobs ?? null) === null ? text : undefined;
  },
  withText: (choice, text) => ({ ...choice, text }),
};
