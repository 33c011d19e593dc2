import type { Answer } from './answer.ts';
import type { Frame } from './frame.ts';
import type { JsonObject } from './json.ts';
import { countTokens, splitByTokens } from './tokens.ts';

/** The typed events of a streamed response, numbered from 0, each with its `event:` line. */
export function* responseFrames(
  opening: JsonObject,
  finished: JsonObject,
  answer: Answer,
  output: readonly JsonObject[],
  tokensPerChunk: number,
): Generator<Frame> {
  let sequence = 0;
  const toFrame = (type: string, members: JsonObject, outputTokens?: number): Frame => {
    const data = JSON.stringify({ type, sequence_number: sequence, ...members });
    sequence += 1;
    return { event: type, data, ...(outputTokens === undefined ? {} : { outputTokens, isContent: true }) };
  };
  yield toFrame('response.created', { response: opening });
  yield toFrame('response.in_progress', { response: opening });
  for (const [index, item] of output.entries()) {
    yield toFrame('response.output_item.added', { output_index: index, item: toOpenItem(item) });
    const place = { item_id: item.id, output_index: index };
    if (item.type === 'function_call') {
      yield* callFrames(item, place, tokensPerChunk, toFrame);
    } else if (item.type === 'reasoning') {
      yield* reasoningFrames(answer, place, toFrame);
    } else {
      yield* messageFrames(answer, place, toFrame);
    }
    yield toFrame('response.output_item.done', { output_index: index, item });
  }
  yield toFrame(`response.${String(finished.status)}`, { response: finished });
}

type ToFrame = (type: string, members: JsonObject, outputTokens?: number) => Frame;

function toOpenItem(item: JsonObject): JsonObject {
  switch (item.type) {
    case 'function_call':
      return { ...item, status: 'in_progress', arguments: '' };
    case 'reasoning':
      return { ...item, summary: [] };
    default:
      return { ...item, status: 'in_progress', content: [] };
  }
}

function* callFrames(
  item: JsonObject,
  place: JsonObject,
  tokensPerChunk: number,
  toFrame: ToFrame,
): Generator<Frame> {
  const text = String(item.arguments);
  for (const delta of splitByTokens(text, tokensPerChunk)) {
    yield toFrame('response.function_call_arguments.delta', { ...place, delta }, countTokens(delta));
  }
  yield toFrame('response.function_call_arguments.done', { ...place, arguments: text });
}

function* reasoningFrames(answer: Answer, base: JsonObject, toFrame: ToFrame): Generator<Frame> {
  const place = { ...base, summary_index: 0 };
  const part = (text: string) => ({ type: 'summary_text', text });
  yield toFrame('response.reasoning_summary_part.added', { ...place, part: part('') });
  for (const delta of answer.reasoningChunks) {
    yield toFrame('response.reasoning_summary_text.delta', { ...place, delta }, countTokens(delta));
  }
  yield toFrame('response.reasoning_summary_text.done', { ...place, text: answer.reasoning });
  yield toFrame('response.reasoning_summary_part.done', { ...place, part: part(answer.reasoning) });
}

function* messageFrames(answer: Answer, base: JsonObject, toFrame: ToFrame): Generator<Frame> {
  const place = { ...base, content_index: 0 };
  const part = (text: string) => ({ type: 'output_text', annotations: [], logprobs: [], text });
  yield toFrame('response.content_part.added', { ...place, part: part('') });
  for (const delta of answer.textChunks) {
    yield toFrame(
      'response.output_text.delta',
      { ...place, delta, logprobs: [], obfuscation: 'k3Vq9x' },
      countTokens(delta),
    );
  }
  yield toFrame('response.output_text.done', { ...place, text: answer.text, logprobs: [] });
  yield toFrame('response.content_part.done', { ...place, part: part(answer.text) });
}
