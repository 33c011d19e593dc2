import { type Answer, composeAnswer, toPromptTotal } from './answer.ts';
import { toSseBody } from './frame.ts';
import { type JsonObject, toArray, toNumber, toObject, toText } from './json.ts';
import { toResponsesAsk } from './openai-prompt.ts';
import { responseFrames } from './openai-responses-stream.ts';
import { toErrorReply } from './provider-error.ts';
import { nowSeconds, toJsonReply, toModelHeaders, toStreamReply, toUpstreamModel } from './reply.ts';
import { countPromptTokens } from './tokens.ts';
import type { Exchange, Reply } from './types.ts';

/** `POST /v1/responses`. */
export function createResponse(exchange: Exchange, body: JsonObject): Reply {
  const { state } = exchange;
  if (toText(body.model) === undefined) {
    return toErrorReply(exchange, 'openai', 400, {
      message: "Missing required parameter: 'model'.",
      param: 'model',
      code: 'missing_required_parameter',
    });
  }
  const previous = toText(body.previous_response_id);
  if (previous !== undefined && state.responses.get(previous) === undefined) {
    return toErrorReply(exchange, 'openai', 400, {
      message: `Previous response with id '${previous}' not found.`,
      param: 'previous_response_id',
      code: 'previous_response_not_found',
    });
  }
  const ask = toResponsesAsk(body);
  const answer = composeAnswer(exchange, ask);
  const output = toOutput(exchange, answer);
  const opening = toResponse(exchange, body, answer, ask.model);
  const finished = finishResponse(opening, answer, output);
  const isBackground = body.background === true;
  if (body.store !== false) {
    const stored = { response: isBackground ? { ...opening, status: 'queued' } : finished };
    const inputItems = toInputItems(exchange, body.input);
    state.responses.set(String(opening.id), {
      ...stored,
      ...(isBackground ? { finished } : {}),
      inputItems,
    });
  }
  const headers = { ...toModelHeaders(exchange, 'openai'), ...answer.headers };
  const billed = { model: ask.model, usage: answer.usage };
  if (body.stream === true) {
    const frames = responseFrames(opening, finished, answer, output, exchange.tokensPerChunk);
    return toStreamReply(toSseBody(frames), headers, billed);
  }
  return toJsonReply(isBackground ? { ...opening, status: 'queued' } : finished, headers, billed);
}

/** `GET /v1/responses/{id}`: a background response is finished by the first poll. */
export function getResponse(exchange: Exchange, id: string): Reply {
  const stored = exchange.state.responses.get(id);
  if (stored === undefined) {
    return toMissing(exchange, id);
  }
  if (stored.finished !== undefined) {
    stored.response = stored.finished;
    delete stored.finished;
  }
  return toJsonReply(stored.response, toModelHeaders(exchange, 'openai'));
}

/** `DELETE /v1/responses/{id}`. */
export function deleteResponse(exchange: Exchange, id: string): Reply {
  return exchange.state.responses.delete(id)
    ? toJsonReply({ id, object: 'response', deleted: true }, toModelHeaders(exchange, 'openai'))
    : toMissing(exchange, id);
}

/** `POST /v1/responses/{id}/cancel`: only a background response that still runs can be cancelled. */
export function cancelResponse(exchange: Exchange, id: string): Reply {
  const stored = exchange.state.responses.get(id);
  if (stored === undefined) {
    return toMissing(exchange, id);
  }
  if (stored.response.background !== true) {
    return toErrorReply(exchange, 'openai', 400, { message: 'Cannot cancel a synchronous response.' });
  }
  if (stored.finished !== undefined) {
    stored.response = { ...stored.response, status: 'cancelled' };
    delete stored.finished;
  }
  return toJsonReply(stored.response, toModelHeaders(exchange, 'openai'));
}

/** `GET /v1/responses/{id}/input_items`. */
export function listInputItems(exchange: Exchange, id: string): Reply {
  const stored = exchange.state.responses.get(id);
  if (stored === undefined) {
    return toMissing(exchange, id);
  }
  const data = [...stored.inputItems].reverse();
  return toJsonReply(
    {
      object: 'list',
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: false,
    },
    toModelHeaders(exchange, 'openai'),
  );
}

/** `POST /v1/responses/input_tokens`. */
export function countInputTokens(exchange: Exchange, body: JsonObject): Reply {
  const tokens = countPromptTokens(body.instructions, body.input, body.tools);
  return toJsonReply(
    { object: 'response.input_tokens', input_tokens: tokens },
    toModelHeaders(exchange, 'openai'),
  );
}

function toMissing(exchange: Exchange, id: string): Reply {
  return toErrorReply(exchange, 'openai', 404, { message: `Response with id '${id}' not found.` });
}

function toInputItems(exchange: Exchange, input: unknown): JsonObject[] {
  const items = typeof input === 'string' ? [{ role: 'user', content: input }] : toArray(input).map(toObject);
  return items.map((item) => {
    const content = 'content' in item ? item.content : undefined;
    const parts = typeof content === 'string' ? { content: [{ type: 'input_text', text: content }] } : {};
    return { id: `msg_${exchange.state.nextHex(48)}`, type: 'message', ...item, ...parts };
  });
}

function toOutput(exchange: Exchange, answer: Answer): JsonObject[] {
  const { state } = exchange;
  const output: JsonObject[] = [];
  if (answer.reasoning !== '') {
    const summary = [{ type: 'summary_text', text: answer.reasoning }];
    output.push({ id: `rs_${state.nextHex(48)}`, type: 'reasoning', summary });
  }
  if (answer.text !== '' || answer.calls.length === 0) {
    output.push({
      id: `msg_${state.nextHex(48)}`,
      type: 'message',
      status: answer.finish === 'length' || answer.finish === 'content_filter' ? 'incomplete' : 'completed',
      content: [{ type: 'output_text', annotations: [], logprobs: [], text: answer.text }],
      role: 'assistant',
    });
  }
  for (const call of answer.calls) {
    output.push({
      id: `fc_${state.nextHex(48)}`,
      type: 'function_call',
      status: 'completed',
      arguments: call.arguments,
      call_id: call.id ?? `call_${state.nextId(24)}`,
      name: call.name,
    });
  }
  return output;
}

function toResponse(exchange: Exchange, body: JsonObject, answer: Answer, model: string): JsonObject {
  return {
    id: `resp_${exchange.state.nextHex(48)}`,
    object: 'response',
    created_at: nowSeconds(),
    status: 'in_progress',
    background: body.background === true,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: toNumber(body.max_output_tokens) ?? null,
    max_tool_calls: null,
    model: answer.model ?? toUpstreamModel(model, 'openai'),
    output: [],
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: { effort: null, summary: null, ...toObject(body.reasoning) },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: 'default',
    store: body.store !== false,
    temperature: body.temperature ?? 1,
    text: { format: { type: 'text' }, verbosity: 'medium', ...toObject(body.text) },
    tool_choice: body.tool_choice ?? 'auto',
    tools: toArray(body.tools),
    top_logprobs: 0,
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    usage: null,
    user: body.user ?? null,
    metadata: body.metadata ?? {},
  };
}

function finishResponse(opening: JsonObject, answer: Answer, output: JsonObject[]): JsonObject {
  const { usage } = answer;
  const input = toPromptTotal(usage);
  const generated = usage.outputTokens + usage.reasoningTokens;
  const reasons: Record<string, string> = { length: 'max_output_tokens', content_filter: 'content_filter' };
  const reason = reasons[answer.finish];
  return {
    ...opening,
    status: reason === undefined ? 'completed' : 'incomplete',
    incomplete_details: reason === undefined ? null : { reason },
    completed_at: reason === undefined ? opening.created_at : null,
    output,
    usage: {
      input_tokens: input,
      input_tokens_details: { cached_tokens: usage.cachedTokens, cache_write_tokens: usage.cacheWriteTokens },
      output_tokens: generated,
      output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
      total_tokens: input + generated,
    },
  };
}
