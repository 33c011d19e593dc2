import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateText, type LanguageModel, Output, stepCountIs, streamText, tool } from 'ai';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createFakeUpstream } from '../../src/testing/fake-upstream/index.ts';

const upstream = await createFakeUpstream({ apiKeys: ['key'] });
const openai = createOpenAI({ baseURL: `${upstream.url}/v1`, apiKey: 'key' });
const anthropic = createAnthropic({ baseURL: `${upstream.url}/v1`, apiKey: 'key' });
const google = createGoogleGenerativeAI({ baseURL: `${upstream.url}/v1beta`, apiKey: 'key' });
const compatible = createOpenAICompatible({
  name: 'local',
  baseURL: `${upstream.url}/v1`,
  apiKey: 'key',
  includeUsage: true,
});
const models: [string, LanguageModel][] = [
  ['openai responses', openai('gpt-5.5')],
  ['openai chat', openai.chat('gpt-4o')],
  ['anthropic', anthropic('claude-sonnet-4-5')],
  ['google', google('gemini-3.5-flash')],
  ['openai-compatible', compatible('some-model')],
];
const weather = tool({
  description: 'The weather of a city',
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `Sunny in ${city}`,
});

afterAll(() => upstream.close());

describe.each(models)('the AI SDK with %s', (_, model) => {
  it('generates and streams the same text with usage', async () => {
    const whole = await generateText({ model, prompt: 'Say something.', maxRetries: 0 });
    expect(whole.text).toContain('quick brown fox');
    expect(whole.finishReason).toBe('stop');
    const stream = streamText({ model, prompt: 'Say something.', maxRetries: 0 });
    expect(await stream.text).toBe(whole.text);
    expect(await stream.finishReason).toBe('stop');
    const usage = await stream.usage;
    expect(usage.inputTokens).toBeGreaterThan(0);
    expect(usage.outputTokens).toBe(whole.usage.outputTokens);
  });

  it('calls a tool and then answers, generating and streaming', async () => {
    const settings = {
      model,
      prompt: 'The weather?',
      tools: { weather },
      stopWhen: stepCountIs(3),
      maxRetries: 0,
    };
    const whole = await generateText(settings);
    expect(whole.steps.map((step) => step.finishReason)).toEqual(['tool-calls', 'stop']);
    expect(whole.steps[0]?.toolResults[0]?.output).toBe('Sunny in Paris');
    const stream = streamText(settings);
    expect(await stream.text).toBe(whole.text);
    expect((await stream.steps)[0]?.toolResults[0]?.output).toBe('Sunny in Paris');
  });
});

describe('the AI SDK beyond text', () => {
  it.each([
    ['openai responses', openai('gpt-5.5')],
    ['openai chat', openai.chat('gpt-4o')],
    ['anthropic', anthropic('claude-sonnet-4-5')],
    ['google', google('gemini-3.5-flash')],
  ])('gets structured output from %s', async (_, model) => {
    const schema = z.object({ city: z.string(), days: z.number() });
    const { output } = await generateText({
      model,
      prompt: 'Plan',
      output: Output.object({ schema }),
      maxRetries: 0,
    });
    expect(output).toEqual({ city: 'Paris', days: 1 });
  });

  it('embeds with OpenAI and Google', async () => {
    const values = ['one', 'two'];
    const first = await embedMany({ model: openai.embedding('text-embedding-3-small'), values });
    const second = await embedMany({ model: google.embedding('gemini-embedding-2'), values });
    expect(first.embeddings).toHaveLength(2);
    expect(second.embeddings[0]).toHaveLength(3_072);
  });
});
