import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  embed,
  embedMany,
  generateText,
  type LanguageModel,
  Output,
  type StepResult,
  stepCountIs,
  streamText,
  type ToolSet,
  tool,
} from 'ai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createSite, type Site } from './harness.ts';
import { type Expected, expectRelayed } from './relayed.ts';

// it warns of each model that it does not know, and of ours it knows none
(globalThis as { AI_SDK_LOG_WARNINGS?: boolean }).AI_SDK_LOG_WARNINGS = false;

let site: Site;
beforeAll(async () => {
  site = await createSite();
});
beforeEach(() => site.reset());
afterAll(() => site.close());

const openai = () => createOpenAI({ baseURL: `${site.url}/v1`, apiKey: site.key });
const anthropic = () => createAnthropic({ baseURL: `${site.url}/v1`, apiKey: site.key });
const google = () => createGoogleGenerativeAI({ baseURL: `${site.url}/v1beta`, apiKey: site.key });
const compatible = (options: { includeUsage?: boolean; supportsStructuredOutputs?: boolean } = {}) =>
  createOpenAICompatible({ name: 'headgate', baseURL: `${site.url}/v1`, apiKey: site.key, ...options });

interface Case {
  readonly name: string;
  readonly model: () => LanguageModel;
  readonly whole: Expected;
  readonly streamed: Expected;
}

const generate = { operation: 'generate-content', provider: 'gemini', model: 'team-gemini' } as const;
const message = { operation: 'message', provider: 'anthropic', model: 'team-claude' } as const;
const response = { operation: 'response', provider: 'openai', model: 'team-gpt' } as const;
const chat = { operation: 'chat', provider: 'openai', model: 'team-gpt' } as const;

const cases: readonly Case[] = [
  {
    ...{ name: '@ai-sdk/openai (responses)', model: () => openai()('team-gpt') },
    ...{ whole: response, streamed: { ...response, stream: true } },
  },
  {
    ...{ name: '@ai-sdk/openai (chat)', model: () => openai().chat('team-gpt') },
    ...{ whole: chat, streamed: { ...chat, stream: true } },
  },
  {
    ...{ name: '@ai-sdk/anthropic', model: () => anthropic()('team-claude') },
    ...{ whole: message, streamed: { ...message, stream: true } },
  },
  {
    ...{ name: '@ai-sdk/google', model: () => google()('team-gemini') },
    ...{ whole: generate, streamed: { ...generate, stream: true } },
  },
  {
    ...{ name: '@ai-sdk/openai-compatible', model: () => compatible()('team-gpt') },
    ...{ whole: chat, streamed: { ...chat, stream: true, asksForUsage: true } },
  },
];

const weather = tool({
  description: 'The weather of a city',
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `Sunny in ${city}`,
});

describe.each(cases)('ai with $name', ({ model, whole, streamed }) => {
  it('generates text, with the usage that is on record', async () => {
    const { text, usage, finishReason } = await generateText({
      model: model(),
      prompt: 'Grüße',
      maxRetries: 0,
    });
    expect(text).toContain('quick brown fox');
    expect(finishReason).toBe('stop');
    await expectRelayed(site, whole);
    const { inputTokens, outputTokens } = site.records[0]?.usage ?? {};
    expect({ inputTokens: usage.inputTokens, outputTokens: usage.outputTokens }).toEqual({
      inputTokens,
      outputTokens,
    });
  });

  it('streams text to its regular end', async () => {
    const errors: unknown[] = [];
    const stream = streamText({
      ...{ model: model(), prompt: 'Hello', maxRetries: 0 },
      onError: ({ error }) => void errors.push(error),
    });
    expect(await stream.text).toContain('forty-two.');
    expect(await stream.finishReason).toBe('stop');
    expect(errors).toEqual([]);
    await expectRelayed(site, streamed);
  });

  it('completes a round trip of tools, generating and streaming', async () => {
    const settings = {
      ...{ prompt: 'What is the weather?', tools: { weather }, maxRetries: 0 },
      stopWhen: stepCountIs(3),
    };
    const toOutputs = (steps: readonly StepResult<ToolSet>[]) =>
      steps[0]?.toolResults.map(({ output }) => output);
    const generated = await generateText({ model: model(), ...settings });
    expect(toOutputs(generated.steps as unknown as StepResult<ToolSet>[])).toEqual(['Sunny in Paris']);
    expect(generated.text).toContain('forty-two.');
    await expectRelayed(site, whole, whole);
    const stream = streamText({ model: model(), ...settings });
    expect(await stream.text).toBe(generated.text);
    expect(toOutputs((await stream.steps) as unknown as StepResult<ToolSet>[])).toEqual(['Sunny in Paris']);
    await expectRelayed(site, whole, whole, streamed, streamed);
  });
});

describe('ai: structured output', () => {
  const schema = z.object({ city: z.string(), days: z.number() });
  const structured: [string, () => LanguageModel, Expected][] = [
    ...cases
      .slice(0, 4)
      .map((entry): [string, () => LanguageModel, Expected] => [entry.name, entry.model, entry.whole]),
    ['@ai-sdk/openai-compatible', () => compatible({ supportsStructuredOutputs: true })('team-gpt'), chat],
  ];

  it.each(structured)('comes from %s', async (_, model, expected) => {
    const { output } = await generateText({
      ...{ model: model(), prompt: 'Plan', maxRetries: 0 },
      output: Output.object({ schema }),
    });
    expect(output).toEqual({ city: 'Paris', days: 1 });
    await expectRelayed(site, expected);
  });
});

describe('ai: usage of a stream', () => {
  it('comes from @ai-sdk/openai-compatible when it is told to ask for it', async () => {
    const stream = streamText({
      model: compatible({ includeUsage: true })('team-gpt'),
      prompt: 'Hi',
      maxRetries: 0,
    });
    await stream.consumeStream();
    await expectRelayed(site, { ...chat, stream: true });
    expect((await stream.usage).outputTokens).toBe(site.records[0]?.usage?.outputTokens);
  });
});

describe('ai: embeddings', () => {
  it('come from @ai-sdk/openai and @ai-sdk/openai-compatible', async () => {
    const values = ['one', 'two'];
    const many = await embedMany({ model: openai().embedding('team-embedding'), values, maxRetries: 0 });
    expect(many.embeddings).toHaveLength(2);
    const model = compatible().embeddingModel('team-embedding');
    const { embedding } = await embed({ model, value: 'one', maxRetries: 0 });
    expect(embedding).toEqual(many.embeddings[0]);
    const expected = { operation: 'embedding', provider: 'openai', model: 'team-embedding' } as const;
    await expectRelayed(site, expected, expected);
  });

  it('come from @ai-sdk/google, one and many', async () => {
    const model = google().embedding('team-gemini-embedding');
    const { embedding } = await embed({ model, value: 'one', maxRetries: 0 });
    expect(embedding).toHaveLength(3_072);
    const { embeddings } = await embedMany({ model, values: ['one', 'two'], maxRetries: 0 });
    expect(embeddings[0]).toEqual(embedding);
    const expected = {
      operation: 'embed-content',
      provider: 'gemini',
      model: 'team-gemini-embedding',
    } as const;
    await expectRelayed(site, expected, expected);
  });
});
