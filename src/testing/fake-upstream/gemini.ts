import { type Answer, type Ask, composeAnswer, toPromptTotal } from './answer.ts';
import type { Frame } from './frame.ts';
import { type JsonObject, toArray, toNumber, toObject, toText } from './json.ts';
import { toErrorReply } from './provider-error.ts';
import { toJsonReply, toModelHeaders, toStreamReply } from './reply.ts';
import { countPromptTokens, countTokens } from './tokens.ts';
import type { Exchange, Reply, TokenUsage } from './types.ts';

/** `POST /{version}/models/{model}:generateContent` and `:streamGenerateContent`. */
export function generateContent(
  exchange: Exchange,
  model: string,
  body: JsonObject,
  isStream: boolean,
): Reply {
  const contents = toArray(body.contents).map(toObject);
  if (contents.length === 0) {
    return toErrorReply(exchange, 'gemini', 400, {
      message: '* GenerateContentRequest.contents: contents is not specified\n',
    });
  }
  const answer = composeAnswer(exchange, toAsk(model, contents, body));
  const base = { modelVersion: answer.model ?? model, responseId: exchange.state.nextId(22) };
  const headers = { ...toModelHeaders(exchange, 'gemini'), ...answer.headers };
  const billed = { model, usage: answer.usage };
  if (!isStream) {
    const candidate = toCandidate([...toReasoning(answer), ...toParts(answer)], toFinish(answer));
    return toJsonReply(
      { candidates: [candidate], usageMetadata: toUsageMetadata(answer.usage), ...base },
      headers,
      billed,
      'gemini',
    );
  }
  const isSse = new URLSearchParams(exchange.request.query).get('alt') === 'sse';
  const frames = contentFrames(base, answer, isSse);
  const stream = toStreamReply(
    { format: isSse ? 'sse' : 'json-array', lineEnding: '\r\n', frames },
    headers,
    billed,
  );
  const extra: Record<string, string> = isSse
    ? { 'content-type': 'text/event-stream', 'content-disposition': 'attachment' }
    : {};
  return { ...stream, headers: { ...stream.headers, ...extra } };
}

/** `POST /{version}/models/{model}:countTokens`. */
export function countContentTokens(exchange: Exchange, body: JsonObject): Reply {
  const inner = toObject(body.generateContentRequest);
  const source = body.generateContentRequest === undefined ? body : inner;
  const totalTokens = countPromptTokens(source.contents, source.systemInstruction, source.tools);
  return toJsonReply(
    { totalTokens, promptTokensDetails: [{ modality: 'TEXT', tokenCount: totalTokens }] },
    toModelHeaders(exchange, 'gemini'),
    undefined,
    'gemini',
  );
}

/** Usage as Gemini reports it: the prompt includes what was cached, candidates exclude thoughts. */
export function toUsageMetadata(
  usage: TokenUsage,
  candidates: number | undefined = usage.outputTokens,
): JsonObject {
  const prompt = toPromptTotal(usage);
  return {
    promptTokenCount: prompt,
    ...(candidates === undefined || candidates === 0 ? {} : { candidatesTokenCount: candidates }),
    totalTokenCount: prompt + (candidates ?? 0) + usage.reasoningTokens,
    ...(usage.cachedTokens === 0 ? {} : { cachedContentTokenCount: usage.cachedTokens }),
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: prompt }],
    ...(usage.reasoningTokens === 0 ? {} : { thoughtsTokenCount: usage.reasoningTokens }),
  };
}

function toAsk(model: string, contents: readonly JsonObject[], body: JsonObject): Ask {
  const config = toObject(body.generationConfig);
  const calling = toObject(toObject(body.toolConfig).functionCallingConfig);
  const allowed = toText(toArray(calling.allowedFunctionNames)[0]);
  const modes = new Map<unknown, Ask['toolChoice']>([
    ['NONE', 'none'],
    ['ANY', 'required'],
  ]);
  const mode = modes.get(calling.mode) ?? 'auto';
  const last = contents.at(-1) ?? {};
  const parts = last.role === 'user' || last.role === undefined ? toArray(last.parts).map(toObject) : [];
  const isToolTurn = parts.some((part) => part.functionResponse !== undefined);
  const schema = config.responseJsonSchema ?? config.responseSchema;
  const isJson = config.responseMimeType === 'application/json';
  return {
    model,
    promptTokens: countPromptTokens(contents, body.systemInstruction, body.tools),
    userText: isToolTurn ? '' : (toText(parts.findLast((part) => part.text !== undefined)?.text) ?? ''),
    tools: toArray(body.tools)
      .flatMap((tool) => toArray(toObject(tool).functionDeclarations))
      .map(toObject)
      .flatMap((tool) => {
        const name = toText(tool.name);
        return name === undefined ? [] : [{ name, schema: tool.parametersJsonSchema ?? tool.parameters }];
      }),
    toolChoice: mode === 'required' && allowed !== undefined ? { name: allowed } : mode,
    maxOutputTokens: toNumber(config.maxOutputTokens),
    stop: toArray(config.stopSequences).filter((text) => typeof text === 'string'),
    ...(isJson ? { outputSchema: schema ?? true } : {}),
  };
}

function toFinish(answer: Answer): string {
  const finishes: Record<string, string> = { length: 'MAX_TOKENS', content_filter: 'SAFETY' };
  // A function call, too, finishes with STOP.
  return finishes[answer.finish] ?? 'STOP';
}

function toReasoning(answer: Answer): JsonObject[] {
  return answer.reasoning === '' ? [] : [{ text: answer.reasoning, thought: true }];
}

function toParts(answer: Answer): JsonObject[] {
  const calls = toCallParts(answer);
  return answer.text === '' && calls.length > 0 ? calls : [{ text: answer.text }, ...calls];
}

function toCallParts(answer: Answer): JsonObject[] {
  return answer.calls.map((call, index) => ({
    functionCall: {
      name: call.name,
      args: toArgs(call.arguments),
      ...(call.id === undefined ? {} : { id: call.id }),
    },
    // Only the first call of a turn is signed.
    ...(index === 0 ? { thoughtSignature: Buffer.from(`signature of ${call.name}`).toString('base64') } : {}),
  }));
}

function toArgs(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { text };
  }
}

function toCandidate(parts: readonly JsonObject[], finishReason?: string): JsonObject {
  return {
    content: { parts, role: 'model' },
    ...(finishReason === undefined ? {} : { finishReason }),
    index: 0,
  };
}

function* contentFrames(base: JsonObject, answer: Answer, isSse: boolean): Generator<Frame> {
  let sent = 0;
  const steps: { parts: JsonObject[]; outputTokens: number; isThought?: boolean }[] = [
    ...answer.reasoningChunks.map((text) => ({
      parts: [{ text, thought: true }],
      outputTokens: countTokens(text),
      isThought: true,
    })),
    ...answer.textChunks.map((text) => ({ parts: [{ text }], outputTokens: countTokens(text) })),
    ...toCallParts(answer).map((part, index) => ({
      parts: [part],
      outputTokens: countTokens(answer.calls[index]?.arguments ?? ''),
    })),
  ];
  if (steps.length === 0) {
    steps.push({ parts: [{ text: '' }], outputTokens: 0 });
  }
  for (const [index, step] of steps.entries()) {
    sent += step.isThought === true ? 0 : step.outputTokens;
    const isLast = index === steps.length - 1;
    const value = {
      candidates: [toCandidate(step.parts, isLast ? toFinish(answer) : undefined)],
      usageMetadata: toUsageMetadata(answer.usage, isLast ? answer.usage.outputTokens : sent),
      ...base,
    };
    const data = isSse ? JSON.stringify(value) : JSON.stringify(value, null, 2);
    yield { data, isContent: true, outputTokens: step.outputTokens };
  }
}
