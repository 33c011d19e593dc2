import { type Ask, composeAnswer } from './answer.ts';
import { type Frame, toSseBody } from './frame.ts';
import { type JsonObject, toArray, toNumber, toObject, toText } from './json.ts';
import { toCompletionUsage } from './openai-chat.ts';
import { toErrorReply } from './provider-error.ts';
import { nowSeconds, toJsonReply, toModelHeaders, toStreamReply } from './reply.ts';
import { countPromptTokens, countTokens } from './tokens.ts';
import type { Exchange, Reply } from './types.ts';

/** `POST /v1/completions`, the legacy text endpoint. */
export function createCompletion(exchange: Exchange, body: JsonObject): Reply {
  const model = toText(body.model);
  if (model === undefined) {
    return toErrorReply(exchange, 'openai', 400, { message: 'you must provide a model parameter' });
  }
  const ask: Ask = {
    model,
    promptTokens: countPromptTokens(body.prompt),
    userText: '',
    tools: [],
    toolChoice: 'none',
    maxOutputTokens: toNumber(body.max_tokens) ?? 16,
    stop: (typeof body.stop === 'string' ? [body.stop] : toArray(body.stop)).filter(
      (text) => typeof text === 'string',
    ),
  };
  const answer = composeAnswer(exchange, ask);
  const finish = answer.finish === 'tool_calls' ? 'stop' : answer.finish;
  const base = {
    id: `cmpl-${exchange.state.nextId(29)}`,
    object: 'text_completion',
    created: nowSeconds(),
    model: answer.model ?? model,
  };
  const choice = (text: string, reason: string | null) => ({
    text,
    index: 0,
    logprobs: null,
    finish_reason: reason,
  });
  const headers = { ...toModelHeaders(exchange, 'openai'), ...answer.headers };
  const billed = { model, usage: answer.usage };
  const usage = toCompletionUsage(answer.usage);
  if (body.stream !== true) {
    return toJsonReply({ ...base, choices: [choice(answer.text, finish)], usage }, headers, billed);
  }
  const includeUsage = toObject(body.stream_options).include_usage === true;
  function* frames(): Generator<Frame> {
    const pending = includeUsage ? { usage: null } : {};
    for (const text of answer.textChunks) {
      const data = JSON.stringify({ ...base, choices: [choice(text, null)], ...pending });
      yield { data, isContent: true, outputTokens: countTokens(text) };
    }
    yield { data: JSON.stringify({ ...base, choices: [choice('', finish)], ...pending }) };
    if (includeUsage) {
      yield { data: JSON.stringify({ ...base, choices: [], usage }) };
    }
    yield { data: '[DONE]' };
  }
  return toStreamReply(toSseBody(frames()), headers, billed);
}
