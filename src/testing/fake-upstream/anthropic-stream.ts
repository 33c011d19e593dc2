import { createHash } from 'node:crypto';
import type { Answer } from './answer.ts';
import type { Frame } from './frame.ts';
import type { JsonObject } from './json.ts';
import { countTokens, splitByTokens } from './tokens.ts';

/** The events of a streamed message. `index` counts all blocks; the usage of `message_delta` is cumulative. */
export function* messageFrames(
  message: JsonObject,
  answer: Answer,
  usage: JsonObject,
  tokensPerChunk: number,
): Generator<Frame> {
  yield toFrame('message_start', {
    message: {
      ...message,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...usage, output_tokens: 1 },
    },
  });
  let index = 0;
  let hasPinged = false;
  for (const block of blocksOf(answer, tokensPerChunk)) {
    yield toFrame('content_block_start', { index, content_block: block.start });
    if (!hasPinged) {
      hasPinged = true;
      yield toFrame('ping', {});
    }
    for (const { delta, outputTokens } of block.deltas) {
      yield { ...toFrame('content_block_delta', { index, delta }), isContent: true, outputTokens };
    }
    yield toFrame('content_block_stop', { index });
    index += 1;
  }
  const delta = { stop_reason: message.stop_reason, stop_sequence: message.stop_sequence };
  const { cache_creation: _, service_tier: __, ...cumulative } = usage;
  yield toFrame('message_delta', { delta, usage: cumulative });
  yield toFrame('message_stop', {});
}

/** The signature that seals a thinking block. */
export function toSignature(thinking: string): string {
  return createHash('sha512').update(thinking).digest('base64');
}

interface Block {
  readonly start: JsonObject;
  readonly deltas: readonly { readonly delta: JsonObject; readonly outputTokens: number }[];
}

function* blocksOf(answer: Answer, tokensPerChunk: number): Generator<Block> {
  if (answer.reasoning !== '') {
    yield {
      start: { type: 'thinking', thinking: '', signature: '' },
      deltas: [
        ...answer.reasoningChunks.map((thinking) => ({
          delta: { type: 'thinking_delta', thinking },
          outputTokens: countTokens(thinking),
        })),
        { delta: { type: 'signature_delta', signature: toSignature(answer.reasoning) }, outputTokens: 0 },
      ],
    };
  }
  if (answer.text !== '') {
    yield {
      start: { type: 'text', text: '' },
      deltas: answer.textChunks.map((text) => ({
        delta: { type: 'text_delta', text },
        outputTokens: countTokens(text),
      })),
    };
  }
  for (const call of answer.calls) {
    const pieces = ['', ...splitByTokens(call.arguments, tokensPerChunk)];
    yield {
      start: { type: 'tool_use', id: call.id, name: call.name, input: {} },
      deltas: pieces.map((piece) => ({
        delta: { type: 'input_json_delta', partial_json: piece },
        outputTokens: countTokens(piece),
      })),
    };
  }
}

function toFrame(type: string, members: JsonObject): Frame {
  return { event: type, data: JSON.stringify({ type, ...members }) };
}
