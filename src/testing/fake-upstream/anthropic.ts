import { createHash } from 'node:crypto';
import { type Answer, type Ask, composeAnswer } from './answer.ts';
import { messageFrames, toSignature } from './anthropic-stream.ts';
import { toSseBody } from './frame.ts';
import { type JsonObject, toArray, toNumber, toObject, toText } from './json.ts';
import { lastUserText } from './openai-prompt.ts';
import { toErrorReply } from './provider-error.ts';
import { toJsonReply, toModelHeaders, toStreamReply, toUpstreamModel } from './reply.ts';
import { countPromptTokens } from './tokens.ts';
import type { Exchange, Reply, TokenUsage } from './types.ts';

/** `POST /v1/messages`. */
export function createMessage(exchange: Exchange, body: JsonObject): Reply {
  const problem = findProblem(exchange, body, true);
  if (problem !== undefined) {
    return toErrorReply(exchange, 'anthropic', 400, { message: problem });
  }
  const { message, answer, model } = composeMessage(exchange, body);
  const headers = { ...toModelHeaders(exchange, 'anthropic'), ...answer.headers };
  const billed = { model, usage: answer.usage };
  if (body.stream === true) {
    const frames = messageFrames(message, answer, toAnthropicUsage(answer.usage), exchange.tokensPerChunk);
    return toStreamReply(toSseBody(frames), headers, billed);
  }
  return toJsonReply(message, headers, billed);
}

/** `POST /v1/messages/count_tokens`. */
export function countMessageTokens(exchange: Exchange, body: JsonObject): Reply {
  const problem = findProblem(exchange, body, false);
  if (problem !== undefined) {
    return toErrorReply(exchange, 'anthropic', 400, { message: problem });
  }
  const tokens = countPromptTokens(body.system, body.messages, body.tools);
  return toJsonReply({ input_tokens: tokens }, toModelHeaders(exchange, 'anthropic'));
}

/** A whole message, its answer and the model asked for; also the success line of a batch. */
export function composeMessage(
  exchange: Exchange,
  body: JsonObject,
): { message: JsonObject; answer: Answer; model: string } {
  const ask = toAsk(exchange, body);
  const composed = composeAnswer(exchange, ask);
  const answer = {
    ...composed,
    calls: composed.calls.map((call) => ({ ...call, id: call.id ?? `toolu_01${exchange.state.nextId(22)}` })),
  };
  const message = {
    id: `msg_01${exchange.state.nextId(22)}`,
    type: 'message',
    role: 'assistant',
    model: answer.model ?? toUpstreamModel(ask.model, 'anthropic'),
    content: toContent(answer),
    stop_reason: toStopReason(answer),
    stop_sequence: answer.stopSequence ?? null,
    usage: toAnthropicUsage(answer.usage),
  };
  return { message, answer, model: ask.model };
}

/** Usage as Anthropic reports it: the input excludes what was read from or written to the cache. */
export function toAnthropicUsage(usage: TokenUsage): JsonObject {
  return {
    input_tokens: usage.inputTokens,
    cache_creation_input_tokens: usage.cacheWriteTokens + usage.cacheWrite1hTokens,
    cache_read_input_tokens: usage.cachedTokens,
    cache_creation: {
      ephemeral_5m_input_tokens: usage.cacheWriteTokens,
      ephemeral_1h_input_tokens: usage.cacheWrite1hTokens,
    },
    output_tokens: usage.outputTokens + usage.reasoningTokens,
    service_tier: 'standard',
    ...(usage.reasoningTokens === 0
      ? {}
      : { output_tokens_details: { thinking_tokens: usage.reasoningTokens } }),
  };
}

function toStopReason(answer: Answer): string {
  switch (answer.finish) {
    case 'length':
      return 'max_tokens';
    case 'tool_calls':
      return 'tool_use';
    case 'content_filter':
      return 'refusal';
    default:
      return answer.stopSequence === undefined ? 'end_turn' : 'stop_sequence';
  }
}

function toContent(answer: Answer): JsonObject[] {
  const content: JsonObject[] = [];
  if (answer.reasoning !== '') {
    content.push({ type: 'thinking', thinking: answer.reasoning, signature: toSignature(answer.reasoning) });
  }
  if (answer.text !== '') {
    content.push({ type: 'text', text: answer.text });
  }
  for (const call of answer.calls) {
    content.push({ type: 'tool_use', id: call.id, name: call.name, input: toInput(call.arguments) });
  }
  return content;
}

function toInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function findProblem(exchange: Exchange, body: JsonObject, needsMaxTokens: boolean): string | undefined {
  if (exchange.request.headers['anthropic-version'] === undefined) {
    return 'anthropic-version: header is required';
  }
  const required = needsMaxTokens ? ['model', 'max_tokens', 'messages'] : ['model', 'messages'];
  const missing = required.find((name) => body[name] === undefined);
  if (missing !== undefined) {
    return `${missing}: Field required`;
  }
  return toArray(body.messages).length === 0 ? 'messages: at least one message is required' : undefined;
}

function toAsk(exchange: Exchange, body: JsonObject): Ask {
  const choice = toObject(body.tool_choice);
  const config = toObject(body.output_config);
  const format = toObject(config.format ?? body.output_format);
  const choices = new Map<unknown, Ask['toolChoice']>([
    ['none', 'none'],
    ['any', 'required'],
  ]);
  const named = choice.type === 'tool' ? toText(choice.name) : undefined;
  const promptTokens = countPromptTokens(body.system, body.messages, body.tools);
  return {
    model: toText(body.model) ?? '',
    promptTokens,
    ...readCache(exchange, body, promptTokens),
    userText: lastUserText(toArray(body.messages)),
    tools: toArray(body.tools).flatMap((tool) => {
      const name = toText(toObject(tool).name);
      const schema = toObject(tool).input_schema;
      return name === undefined || schema === undefined ? [] : [{ name, schema }];
    }),
    toolChoice: named === undefined ? (choices.get(choice.type) ?? 'auto') : { name: named },
    maxOutputTokens: toNumber(body.max_tokens),
    stop: toArray(body.stop_sequences).filter((text) => typeof text === 'string'),
    ...(format.type === 'json_schema' ? { outputSchema: format.schema ?? true } : {}),
  };
}

/** Tokens up to the last `cache_control` mark: read if that prefix came before, else written. */
function readCache(exchange: Exchange, body: JsonObject, promptTokens: number): Partial<Ask> {
  const blocks = [
    ...toArray(body.tools),
    ...toArray(body.system),
    ...toArray(body.messages).flatMap((message) => toArray(toObject(message).content)),
  ].map(toObject);
  const last = blocks.findLastIndex((block) => block.cache_control !== undefined);
  if (last < 0) {
    return {};
  }
  const prefix = blocks.slice(0, last + 1);
  const key = createHash('sha256')
    .update(JSON.stringify([body.model, prefix]))
    .digest('hex');
  const tokens = Math.min(promptTokens, countPromptTokens(prefix));
  if (exchange.state.cachedPrefixes.get(key) !== undefined) {
    return { cachedTokens: tokens };
  }
  exchange.state.cachedPrefixes.set(key, true);
  const isHour = toObject(blocks[last]?.cache_control).ttl === '1h';
  return isHour ? { cacheWrite1hTokens: tokens } : { cacheWriteTokens: tokens };
}
