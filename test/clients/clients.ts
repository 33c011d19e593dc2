import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import AnthropicOne from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { APICallError, generateText, type LanguageModel, RetryError, streamText } from 'ai';
import AnthropicZero from 'anthropic-sdk-0';
import OpenAI from 'openai';

/** The AI SDK warns of each model that it does not know, and of ours it knows none. */
export function silenceWarnings(): void {
  (globalThis as { AI_SDK_LOG_WARNINGS?: boolean }).AI_SDK_LOG_WARNINGS = false;
}

silenceWarnings();

/** How a client is set up. */
export interface Setup {
  /** Where the gateway is, without the part of the path that the client's documentation asks for. */
  readonly root: string;
  readonly key: string;
  /** @default the client's own */
  readonly maxRetries?: number;
  /** @default the model of the family */
  readonly model?: string;
  /** Whether OpenAI may store responses. @default the client's own */
  readonly store?: boolean;
}

/** A client as the tests of errors need it: one turn, whole or streamed, and what its errors say. */
export interface Client {
  readonly name: string;
  readonly family: 'openai' | 'anthropic' | 'gemini';
  /** The path at the provider that a turn must reach. */
  readonly path: string;
  /** Whether it heeds `x-should-retry`, and whether it tries again at all. */
  readonly retries: 'as told' | 'by status' | 'never';
  /** @throws whatever the client throws */
  readonly turn: (setup: Setup) => Promise<string>;
  /** Reads a stream to its end. @throws whatever the client throws or reports as an error on the way */
  readonly stream: (setup: Setup) => Promise<string>;
}

const prompt = 'Say something.';
const messages = [{ role: 'user' as const, content: prompt }];

function defined<T extends object>(values: T): { [Name in keyof T]: NonNullable<T[Name]> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Name in keyof T]: NonNullable<T[Name]> };
}

function toOpenAi({ root, key, maxRetries }: Setup): OpenAI {
  return new OpenAI({ baseURL: `${root}/v1`, apiKey: key, ...defined({ maxRetries }) });
}

const openAiChat: Client = {
  ...{ name: 'openai chat', family: 'openai', path: '/v1/chat/completions', retries: 'as told' },
  async turn(setup) {
    const reply = await toOpenAi(setup).chat.completions.create({
      model: setup.model ?? 'team-gpt',
      messages,
    });
    return reply.choices[0]?.message.content ?? '';
  },
  async stream(setup) {
    const ask = { model: setup.model ?? 'team-gpt', messages, stream: true } as const;
    let text = '';
    for await (const chunk of await toOpenAi(setup).chat.completions.create(ask)) {
      text += chunk.choices[0]?.delta.content ?? '';
    }
    return text;
  },
};

const openAiResponses: Client = {
  ...{ name: 'openai responses', family: 'openai', path: '/v1/responses', retries: 'as told' },
  async turn(setup) {
    return (await toOpenAi(setup).responses.create({ model: setup.model ?? 'team-gpt', input: prompt }))
      .output_text;
  },
  async stream(setup) {
    const ask = {
      model: setup.model ?? 'team-gpt',
      input: prompt,
      stream: true,
      ...defined({ store: setup.store }),
    } as const;
    let text = '';
    for await (const event of await toOpenAi(setup).responses.create(ask)) {
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    return text;
  },
};

function toAnthropicClient(name: string, create: (setup: Setup) => AnthropicOne): Client {
  const toAsk = (model = 'team-claude') => ({ model, max_tokens: 100, messages });
  return {
    ...{ name, family: 'anthropic', path: '/v1/messages', retries: 'as told' },
    async turn(setup) {
      const [block] = (await create(setup).messages.create(toAsk(setup.model))).content;
      return block?.type === 'text' ? block.text : '';
    },
    stream: (setup) => create(setup).messages.stream(toAsk(setup.model)).finalText(),
  };
}

const anthropicOne = toAnthropicClient(
  'anthropic 1.x',
  ({ root, key, maxRetries }) => new AnthropicOne({ baseURL: root, apiKey: key, ...defined({ maxRetries }) }),
);

const anthropicZero = toAnthropicClient(
  'anthropic 0.x',
  // the methods used here have the same types in both
  ({ root, key, maxRetries }) =>
    new AnthropicZero({ baseURL: root, apiKey: key, ...defined({ maxRetries }) }) as unknown as AnthropicOne,
);

const googleGenAi: Client = {
  ...{ name: '@google/genai', family: 'gemini', retries: 'never' },
  path: '/v1/models/gemini-3.5-flash:',
  async turn({ root, key, model = 'team-gemini' }) {
    const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: root } });
    return (await client.models.generateContent({ model, contents: prompt })).text ?? '';
  },
  async stream({ root, key, model = 'team-gemini' }) {
    const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: root } });
    let text = '';
    for await (const chunk of await client.models.generateContentStream({ model, contents: prompt })) {
      text += chunk.text ?? '';
    }
    return text;
  },
};

function toAiClient(
  head: Pick<Client, 'name' | 'family' | 'path'>,
  toModel: (setup: Setup) => LanguageModel,
): Client {
  return {
    ...head,
    retries: 'by status',
    turn: async (setup) =>
      (await generateText({ model: toModel(setup), prompt, ...defined({ maxRetries: setup.maxRetries }) }))
        .text,
    async stream(setup) {
      const settings = {
        model: toModel(setup),
        prompt,
        ...defined({ maxRetries: setup.maxRetries }),
        providerOptions: { openai: defined({ store: setup.store }) },
      };
      let text = '';
      // errors are parts of the stream here, thrown below
      for await (const part of streamText({ ...settings, onError: () => undefined }).fullStream) {
        if (part.type === 'error') throw part.error;
        if (part.type === 'text-delta') text += part.text;
      }
      return text;
    },
  };
}

/** Every client, none of them changed. */
export const clients: readonly Client[] = [
  openAiChat,
  openAiResponses,
  anthropicOne,
  anthropicZero,
  googleGenAi,
  toAiClient(
    { name: '@ai-sdk/openai responses', family: 'openai', path: '/v1/responses' },
    ({ root, key, model }) => createOpenAI({ baseURL: `${root}/v1`, apiKey: key })(model ?? 'team-gpt'),
  ),
  toAiClient(
    { name: '@ai-sdk/openai chat', family: 'openai', path: '/v1/chat/completions' },
    ({ root, key, model }) => createOpenAI({ baseURL: `${root}/v1`, apiKey: key }).chat(model ?? 'team-gpt'),
  ),
  toAiClient(
    { name: '@ai-sdk/anthropic', family: 'anthropic', path: '/v1/messages' },
    ({ root, key, model }) => createAnthropic({ baseURL: `${root}/v1`, apiKey: key })(model ?? 'team-claude'),
  ),
  toAiClient(
    { name: '@ai-sdk/google', family: 'gemini', path: '/v1beta/models/gemini-3.5-flash:' },
    ({ root, key, model }) =>
      createGoogleGenerativeAI({ baseURL: `${root}/v1beta`, apiKey: key })(model ?? 'team-gemini'),
  ),
  toAiClient(
    { name: '@ai-sdk/openai-compatible', family: 'openai', path: '/v1/chat/completions' },
    ({ root, key, model }) =>
      createOpenAICompatible({ name: 'headgate', baseURL: `${root}/v1`, apiKey: key })(model ?? 'team-gpt'),
  ),
];

/** The status of an error of any of the clients. */
export function toStatus(thrown: unknown): unknown {
  if (RetryError.isInstance(thrown)) return toStatus(thrown.lastError);
  if (APICallError.isInstance(thrown)) return thrown.statusCode;
  return (thrown as { status?: unknown }).status;
}

/** What a promise was rejected with. @throws Error when it was not */
export async function toRejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`nothing was thrown; the client got ${JSON.stringify(value)}`);
    },
    (thrown: unknown) => thrown,
  );
}
