import { type Answer, composeAnswer, toPromptTotal } from './answer.ts';
import { type Frame, toSseBody } from './frame.ts';
import { type JsonObject, toNumber, toObject, toText } from './json.ts';
import { toChatAsk } from './openai-prompt.ts';
import { toErrorReply } from './provider-error.ts';
import { nowSeconds, toJsonReply, toModelHeaders, toStreamReply, toUpstreamModel } from './reply.ts';
import { countTokens, splitByTokens } from './tokens.ts';
import type { Exchange, Reply, TokenUsage } from './types.ts';

const maxChoices = 128;

/** `POST /v1/chat/completions`. */
export function createChatCompletion(exchange: Exchange, body: JsonObject): Reply {
  if (toText(body.model) === undefined) {
    return toErrorReply(exchange, 'openai', 400, { message: 'you must provide a model parameter' });
  }
  if (!Array.isArray(body.messages)) {
    return toErrorReply(exchange, 'openai', 400, {
      message: "Missing required parameter: 'messages'.",
      param: 'messages',
      code: 'missing_required_parameter',
    });
  }
  const ask = toChatAsk(body);
  const single = composeAnswer(exchange, ask);
  const choices = Math.min(maxChoices, Math.max(1, toNumber(body.n) ?? 1));
  const usage = { ...single.usage, outputTokens: single.usage.outputTokens * choices };
  const answer = {
    ...single,
    usage,
    calls: single.calls.map((call) => ({ ...call, id: call.id ?? `call_${exchange.state.nextId(24)}` })),
  };
  const base = {
    id: `chatcmpl-${exchange.state.nextId(29)}`,
    created: nowSeconds(),
    model: answer.model ?? toUpstreamModel(ask.model, 'openai'),
  };
  const headers = { ...toModelHeaders(exchange, 'openai'), ...answer.headers };
  const billed = { model: ask.model, usage };
  if (body.stream === true) {
    const options = toObject(body.stream_options);
    const frames = chatFrames(base, answer, choices, {
      includeUsage: options.include_usage === true,
      obfuscate: options.include_obfuscation !== false,
      tokensPerChunk: exchange.tokensPerChunk,
    });
    return toStreamReply(toSseBody(frames), headers, billed);
  }
  return toJsonReply(toCompletion(base, answer, choices), headers, billed);
}

/** Usage as the completions endpoints report it: the prompt includes what was cached. */
export function toCompletionUsage(usage: TokenUsage): JsonObject {
  const prompt = toPromptTotal(usage);
  const completion = usage.outputTokens + usage.reasoningTokens;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

function toCompletion(base: JsonObject, answer: Answer, choices: number): JsonObject {
  return {
    ...{ id: base.id, object: 'chat.completion', created: base.created, model: base.model },
    choices: Array.from({ length: choices }, (_, index) => ({
      index,
      message: {
        role: 'assistant',
        content: answer.text === '' && answer.calls.length > 0 ? null : answer.text,
        ...(answer.reasoning === '' ? {} : { reasoning_content: answer.reasoning }),
        ...(answer.calls.length === 0
          ? {}
          : {
              tool_calls: answer.calls.map((call) => ({
                id: call.id,
                type: 'function',
                function: { name: call.name, arguments: call.arguments },
              })),
            }),
        refusal: null,
        annotations: [],
      },
      logprobs: null,
      finish_reason: answer.finish,
    })),
    usage: toCompletionUsage(answer.usage),
    service_tier: 'default',
    system_fingerprint: 'fp_5c0de0fa4e',
  };
}

function* chatFrames(
  base: JsonObject,
  answer: Answer,
  choices: number,
  options: { includeUsage: boolean; obfuscate: boolean; tokensPerChunk: number },
): Generator<Frame> {
  const chunk = (members: JsonObject, usage: unknown) =>
    JSON.stringify({
      id: base.id,
      object: 'chat.completion.chunk',
      created: base.created,
      model: base.model,
      service_tier: 'default',
      system_fingerprint: 'fp_5c0de0fa4e',
      ...members,
      ...(options.includeUsage ? { usage } : {}),
      ...(options.obfuscate ? { obfuscation: 'k3Vq9x' } : {}),
    });
  const toFrame = (
    index: number,
    delta: JsonObject,
    finish: string | null,
    outputTokens?: number,
  ): Frame => ({
    data: chunk({ choices: [{ index, delta, logprobs: null, finish_reason: finish }] }, null),
    ...(outputTokens === undefined ? {} : { outputTokens, isContent: true }),
  });
  for (let index = 0; index < choices; index += 1) {
    const content = answer.calls.length > 0 && answer.text === '' ? null : '';
    yield toFrame(index, { role: 'assistant', content, refusal: null }, null);
    for (const text of answer.reasoningChunks) {
      yield toFrame(index, { reasoning_content: text }, null, countTokens(text));
    }
    for (const text of answer.textChunks) {
      yield toFrame(index, { content: text }, null, countTokens(text));
    }
    for (const [position, call] of answer.calls.entries()) {
      const head = {
        index: position,
        id: call.id,
        type: 'function',
        function: { name: call.name, arguments: '' },
      };
      yield toFrame(index, { tool_calls: [head] }, null, 0);
      for (const piece of splitByTokens(call.arguments, options.tokensPerChunk)) {
        const delta = { tool_calls: [{ index: position, function: { arguments: piece } }] };
        yield toFrame(index, delta, null, countTokens(piece));
      }
    }
    yield toFrame(index, {}, answer.finish);
  }
  if (options.includeUsage) {
    yield { data: chunk({ choices: [] }, toCompletionUsage(answer.usage)) };
  }
  yield { data: '[DONE]' };
}
