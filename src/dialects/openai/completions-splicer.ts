import type { ReadRequest, StreamSplicer } from '../splicer.ts';
import { type ChoiceText, createChunkSplicer } from './spliced-chunk.ts';

/** Splices streams of the legacy text completions: one choice, without log probabilities. */
export function createCompletionsSplicer(request: ReadRequest): StreamSplicer {
  return createChunkSplicer(choiceText, {
    continuation(text) {
      // it would repeat the prompt, and what went out with it
      if (request('echo') === true) return undefined;
      const prompt = request('prompt');
      const [only, ...others] = Array.isArray(prompt) ? prompt : [prompt];
      return typeof only === 'string' && others.length === 0 ? { prompt: only + text } : undefined;
    },
    isExact: true,
  });
}

const choiceText: ChoiceText = {
  textOf({ text = '', logprobs }) {
    return typeof text === 'string' && (logprobs ?? null) === null ? text : undefined;
  },
  withText: (choice, text) => ({ ...choice, text }),
};
