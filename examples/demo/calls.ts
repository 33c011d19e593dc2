import assert from 'node:assert/strict';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { generateText, isStepCount, streamText, tool } from 'ai';
import OpenAI from 'openai';
import * as z from 'zod';
import { inShort, type Tell } from './narrator.ts';

const cheap = 64;
const getWeather = ({ city }: { city: string }) => `18 degrees and clear in ${city}`;

/** The unmodified SDKs, pointed at the gateway as any application would. A demo wants to see refusals, not retries. */
export function createClients(url: string) {
  return {
    openai: (apiKey: string) => new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 }),
    anthropic: (apiKey: string) => new Anthropic({ apiKey, authToken: null, baseURL: url, maxRetries: 0 }),
    ai: (apiKey: string) => ({
      openai: createOpenAI({ apiKey, baseURL: `${url}/v1` }),
      anthropic: createAnthropic({ apiKey, baseURL: `${url}/v1` }),
    }),
  };
}

/** `openai`: one question, one answer. */
export async function chat(client: OpenAI, model: string, tell: Tell): Promise<void> {
  const messages = [{ role: 'user' as const, content: 'Say hello in one sentence.' }];
  const completion = await client.chat.completions.create({ model, messages, max_completion_tokens: cheap });
  const text = completion.choices[0]?.message.content ?? '';
  assert.notEqual(text, '');
  tell(`"${inShort(text)}"`);
  tell(`${completion.usage?.prompt_tokens} tokens in, ${completion.usage?.completion_tokens} out`);
}

/** `openai`: the answer as it is written. */
export async function streamChat(client: OpenAI, model: string, tell: Tell): Promise<void> {
  const messages = [{ role: 'user' as const, content: 'Count from one to ten in words.' }];
  const startedAtMs = performance.now();
  const stream = await client.chat.completions.create({
    model,
    messages,
    max_completion_tokens: cheap,
    stream: true,
  });
  let text = '';
  let chunks = 0;
  let firstMs: number | undefined;
  for await (const chunk of stream) {
    const piece = chunk.choices[0]?.delta.content ?? '';
    if (piece === '') continue;
    firstMs ??= performance.now() - startedAtMs;
    chunks++;
    text += piece;
  }
  assert.ok(chunks > 1, 'more than one chunk');
  tell(`"${inShort(text)}"`);
  tell(
    `${chunks} chunks, the first after ${Math.round(firstMs ?? 0)} ms, the last after ${Math.round(performance.now() - startedAtMs)} ms`,
  );
}

/** `openai`: a function that the model calls. */
export async function runTools(client: OpenAI, model: string, tell: Tell): Promise<void> {
  const called: string[] = [];
  const runner = client.chat.completions.runTools({
    model,
    messages: [{ role: 'user', content: 'What is the weather in Oslo? Use the tool.' }],
    tools: [
      {
        type: 'function',
        function: {
          name: 'get_weather',
          description: 'Current weather of a city',
          parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
          parse: JSON.parse,
          function: (input: { city: string }) => {
            called.push(input.city);
            return getWeather(input);
          },
        },
      },
    ],
  });
  const text = (await runner.finalContent()) ?? '';
  assert.ok(called.length > 0, 'the tool was called');
  tell(`the model called get_weather(${JSON.stringify(called[0])})`);
  tell(`"${inShort(text)}"`);
}

/** `@anthropic-ai/sdk`: a streamed message. */
export async function streamMessage(client: Anthropic, model: string, tell: Tell): Promise<void> {
  const messages = [{ role: 'user' as const, content: 'Say hello in one sentence.' }];
  const stream = client.messages.stream({ model, max_tokens: cheap, messages });
  let deltas = 0;
  stream.on('text', () => deltas++);
  const message = await stream.finalMessage();
  assert.ok(deltas > 0 && message.stop_reason !== null, 'a whole message');
  const text = message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  tell(`"${inShort(text)}"`);
  tell(
    `${deltas} deltas; ${message.usage.input_tokens} tokens in, ${message.usage.output_tokens} out; ${message.stop_reason}`,
  );
}

/** `ai`: a tool round trip with Anthropic's provider. */
export async function generateWithTools(
  provider: ReturnType<typeof createAnthropic>,
  model: string,
  tell: Tell,
): Promise<void> {
  const { text, steps } = await generateText({
    model: provider(model),
    maxRetries: 0,
    maxOutputTokens: cheap * 4,
    stopWhen: isStepCount(3),
    prompt: 'What is the weather in Lisbon? Use the tool.',
    tools: {
      get_weather: tool({
        description: 'Current weather of a city',
        inputSchema: z.object({ city: z.string() }),
        execute: async (input) => getWeather(input),
      }),
    },
  });
  const results = steps.flatMap((step) => step.toolResults);
  assert.ok(results.length > 0, 'the tool was called');
  tell(`${steps.length} steps; get_weather answered ${JSON.stringify(results[0]?.output)}`);
  tell(`"${inShort(text)}"`);
}

/** `ai`: streamed text with OpenAI's provider, which speaks the Responses API. */
export async function streamResponse(
  provider: ReturnType<typeof createOpenAI>,
  model: string,
  tell: Tell,
): Promise<void> {
  const result = streamText({
    model: provider(model),
    maxRetries: 0,
    maxOutputTokens: cheap,
    prompt: 'Say hello in one sentence.',
    // by default errors go only to the console
    onError: ({ error }) => {
      throw error;
    },
  });
  let text = '';
  for await (const piece of result.textStream) text += piece;
  assert.notEqual(text, '');
  tell(`"${inShort(text)}"`);
  tell(`finished: ${await result.finishReason}`);
}
