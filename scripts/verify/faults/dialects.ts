/** An error as a caller finds it on the wire. */
export interface WireError {
  /** Our code, where the dialect has a slot for it. */
  readonly code: string | undefined;
  /** What the dialect calls the kind of error. */
  readonly type: string;
  readonly message: string;
}

/** What a caller understands of a stream. */
export interface ReadStream {
  readonly text: string;
  /** Whether it has its protocol's terminator. */
  readonly isWhole: boolean;
  readonly errors: readonly WireError[];
  /** Events that are none of the dialect. */
  readonly strange: readonly string[];
}

/** One way to speak to the gateway, as far as a caller must know it. Written from the providers' documentation, with nothing of the gateway's own. */
export interface Dialect {
  readonly name: 'openai-chat' | 'openai-responses' | 'anthropic-messages' | 'gemini';
  /** The type of provider that speaks it. */
  readonly provider: 'openai' | 'anthropic' | 'gemini';
  /** What follows the upstream's address in `baseUrl`. */
  readonly basePath: string;
  /** The status that stands for this one. */
  toStatus(status: number): number;
  toRequest(
    model: string,
    stream: boolean,
  ): {
    readonly path: string;
    readonly body: Readonly<Record<string, unknown>>;
    readonly headers: Readonly<Record<string, string>>;
  };
  /** The text that an event carries; '' for none. */
  textOfEvent(event: string): string;
  /** The text of a whole reply. */
  textOfReply(reply: unknown): string;
  /** Input and output tokens together, as a whole reply reports them. */
  tokensOfReply(reply: unknown): number;
  /** The error that a reply is; undefined when it is none of this dialect. */
  readError(body: unknown): WireError | undefined;
  readStream(bytes: Buffer): ReadStream;
}

/** Stands in every prompt, and in nothing else. */
export const promptSentinel = 'prompt-sentinel-8f3a';

// biome-ignore lint/suspicious/noExplicitAny: replies are looked at as a caller would, whatever their shape
type Json = any;

interface Parts {
  readonly text: (data: Json) => string | undefined;
  readonly isTerminator: (data: string, parsed: Json) => boolean;
  readonly error: (parsed: Json) => WireError | undefined;
}

function parse(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Payloads of a stream, by the rules of server-sent events. */
function toPayloads(text: string): string[] {
  const events = text
    .replace(/^\uFEFF/, '')
    .replaceAll('\r\n', '\n')
    .replaceAll('\r', '\n')
    .split('\n\n');
  return events
    .map((event) =>
      event
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).replace(/^ /, ''))
        .join('\n'),
    )
    .filter((data) => data !== '');
}

function readWith(parts: Parts, bytes: Buffer): ReadStream {
  let text = '';
  let isWhole = false;
  const errors: WireError[] = [];
  const strange: string[] = [];
  for (const data of toPayloads(bytes.toString())) {
    const parsed = parse(data);
    if (parts.isTerminator(data, parsed)) isWhole = true;
    if (data === '[DONE]') continue;
    if (parsed === undefined) {
      strange.push(data.slice(0, 60));
      continue;
    }
    const error = parts.error(parsed);
    if (error) errors.push(error);
    else text += parts.text(parsed) ?? '';
  }
  return { text, isWhole, errors, strange };
}

const openAiError = (parsed: Json): WireError | undefined => {
  const error = parsed?.error;
  if (typeof error?.message !== 'string' || typeof error.type !== 'string') return undefined;
  return { code: error.code ?? undefined, type: error.type, message: error.message };
};

const chat: Parts = {
  text: (data) => data.choices?.[0]?.delta?.content,
  isTerminator: (data, parsed) => data === '[DONE]' || Boolean(parsed?.choices?.[0]?.finish_reason),
  error: openAiError,
};

const responses: Parts = {
  text: (data) => (data.type === 'response.output_text.delta' ? data.delta : undefined),
  isTerminator: (_, parsed) => parsed?.type === 'response.completed',
  error: (parsed) => {
    if (parsed.type === 'error') return { code: parsed.code, type: 'error', message: parsed.message };
    if (parsed.type !== 'response.failed') return undefined;
    return { code: parsed.response?.error?.code, type: 'failed', message: parsed.response?.error?.message };
  },
};

const anthropicError = (parsed: Json): WireError | undefined => {
  const error = parsed?.error;
  if (parsed?.type !== 'error' || typeof error?.type !== 'string') return undefined;
  return { code: undefined, type: error.type, message: String(error.message) };
};

const anthropic: Parts = {
  text: (data) => (data.type === 'content_block_delta' ? data.delta?.text : undefined),
  isTerminator: (_, parsed) => parsed?.type === 'message_stop',
  error: anthropicError,
};

const geminiError = (parsed: Json): WireError | undefined => {
  const error = parsed?.error;
  if (typeof error?.code !== 'number' || typeof error.status !== 'string') return undefined;
  const reason = error.details?.find((detail: Json) => detail.domain === 'headgate')?.reason;
  return { code: reason?.toLowerCase(), type: error.status, message: String(error.message) };
};

const textOfParts = (data: Json): string | undefined =>
  data.candidates?.[0]?.content?.parts?.map((part: Json) => part.text ?? '').join('');

const gemini: Parts = {
  text: textOfParts,
  isTerminator: (_, parsed) => Boolean(parsed?.candidates?.[0]?.finishReason),
  error: geminiError,
};

const textOfEvent = (parts: Parts) => (event: string) => {
  const [data = ''] = toPayloads(event);
  const parsed = parse(data);
  return parsed === undefined ? '' : (parts.text(parsed) ?? '');
};
const say = `Say something. ${promptSentinel}`;
const to503 = (status: number) => (status === 529 ? 503 : status);

const openAiChat: Dialect = {
  ...{ name: 'openai-chat', provider: 'openai', basePath: '/v1', toStatus: to503 },
  toRequest: (model, stream) => ({
    path: '/v1/chat/completions',
    headers: {},
    body: {
      model,
      messages: [{ role: 'user', content: say }],
      // with the usage asked for, nothing is taken out of the stream
      ...(stream && { stream, stream_options: { include_usage: true } }),
    },
  }),
  textOfEvent: textOfEvent(chat),
  textOfReply: (reply) => (reply as Json).choices?.[0]?.message?.content ?? '',
  tokensOfReply: (reply) => (reply as Json).usage.total_tokens,
  readError: openAiError,
  readStream: (bytes) => readWith(chat, bytes),
};

const openAiResponses: Dialect = {
  ...{ name: 'openai-responses', provider: 'openai', basePath: '/v1', toStatus: to503 },
  toRequest: (model, stream) => ({
    path: '/v1/responses',
    headers: {},
    // one that is stored is not gone on with
    body: { model, input: say, store: false, ...(stream && { stream }) },
  }),
  textOfEvent: textOfEvent(responses),
  textOfReply: (reply) =>
    ((reply as Json).output ?? [])
      .flatMap((item: Json) => item.content ?? [])
      .map((part: Json) => part.text ?? '')
      .join(''),
  tokensOfReply: (reply) => (reply as Json).usage.total_tokens,
  readError: openAiError,
  readStream: (bytes) => readWith(responses, bytes),
};

const anthropicMessages: Dialect = {
  ...{ name: 'anthropic-messages', provider: 'anthropic', basePath: '' },
  toStatus: (status) => (status === 503 ? 529 : status),
  toRequest: (model, stream) => ({
    path: '/v1/messages',
    headers: { 'anthropic-version': '2023-06-01' },
    body: { model, max_tokens: 200, messages: [{ role: 'user', content: say }], ...(stream && { stream }) },
  }),
  textOfEvent: textOfEvent(anthropic),
  textOfReply: (reply) => ((reply as Json).content ?? []).map((part: Json) => part.text ?? '').join(''),
  tokensOfReply: (reply) => (reply as Json).usage.input_tokens + (reply as Json).usage.output_tokens,
  readError: anthropicError,
  readStream: (bytes) => readWith(anthropic, bytes),
};

const geminiDialect: Dialect = {
  ...{ name: 'gemini', provider: 'gemini', basePath: '', toStatus: to503 },
  toRequest: (model, stream) => ({
    path: `/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    headers: { 'x-goog-api-client': 'verify' },
    body: { contents: [{ role: 'user', parts: [{ text: say }] }] },
  }),
  textOfEvent: textOfEvent(gemini),
  textOfReply: (reply) => textOfParts(reply) ?? '',
  tokensOfReply: (reply) => (reply as Json).usageMetadata.totalTokenCount,
  readError: geminiError,
  readStream: (bytes) => readWith(gemini, bytes),
};

/** Every dialect that generates text. */
export const dialects: readonly Dialect[] = [openAiChat, openAiResponses, anthropicMessages, geminiDialect];
