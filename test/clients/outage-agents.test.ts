import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { isStepCount, streamText, tool } from 'ai';
import type { GatewayConfig } from 'headgate';
import type { Fault, RecordedRequest, ScriptedReply } from 'headgate/testing';
import OpenAI from 'openai';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import type { Setup } from './clients.ts';
import { createOutageSite } from './outage-site.ts';

const closing = 'It is 21 degrees in Paris and 17 in Oslo, so take a light jacket with you.';
const question = 'What should I wear?';
const cities = ['Paris', 'Oslo'];

/** Two tools one after the other, then the answer: by how many results the request brings. */
function act({ body }: RecordedRequest): ScriptedReply {
  const text = body.toString();
  const results = (text.match(/"tool_call_id"|"tool_use_id"|"function_call_output"/g) ?? []).length;
  const city = cities[results];
  if (city === undefined) return { text: closing };
  return { toolCalls: [{ name: 'weather', arguments: { city } }] };
}

interface Agent {
  readonly name: string;
  /** Runs to its end. Notes which cities were asked for, and gives back what was said last. */
  run(setup: Setup, asked: string[]): Promise<string>;
}

const schema = {
  type: 'object' as const,
  properties: { city: { type: 'string' } },
  required: ['city'],
};

const openAi: Agent = {
  name: 'an agent on openai',
  async run({ root, key }, asked) {
    const client = new OpenAI({ baseURL: `${root}/v1`, apiKey: key, maxRetries: 0 });
    const runner = client.chat.completions.runTools({
      model: 'team-gpt',
      stream: true,
      messages: [{ role: 'user', content: question }],
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'The weather',
            parameters: schema,
            parse: JSON.parse,
            function: ({ city }: { city: string }) => {
              asked.push(city);
              return `${city}: fine`;
            },
          },
        },
      ],
    });
    return (await runner.finalContent()) ?? '';
  },
};

const anthropic: Agent = {
  name: 'an agent on @anthropic-ai/sdk',
  async run({ root, key }, asked) {
    const client = new Anthropic({ baseURL: root, apiKey: key, maxRetries: 0 });
    const messages: Anthropic.MessageParam[] = [{ role: 'user', content: question }];
    for (let step = 0; step < 5; step++) {
      const message = await client.messages
        .stream({
          ...{ model: 'team-claude', max_tokens: 200, messages },
          tools: [{ name: 'weather', input_schema: schema }],
        })
        .finalMessage();
      messages.push({ role: 'assistant', content: message.content });
      const results = message.content.flatMap((block): Anthropic.ToolResultBlockParam[] => {
        if (block.type !== 'tool_use') return [];
        const { city } = block.input as { city: string };
        asked.push(city);
        return [{ type: 'tool_result', tool_use_id: block.id, content: `${city}: fine` }];
      });
      if (results.length === 0) {
        const [block] = message.content;
        return block?.type === 'text' ? block.text : '';
      }
      messages.push({ role: 'user', content: results });
    }
    throw new Error('The agent found no end.');
  },
};

function toAiAgent(
  name: string,
  toModel: (setup: Setup) => Parameters<typeof streamText>[0]['model'],
): Agent {
  return {
    name,
    async run(setup, asked) {
      const errors: unknown[] = [];
      const result = streamText({
        model: toModel(setup),
        prompt: question,
        maxRetries: 0,
        stopWhen: isStepCount(5),
        onError: ({ error }) => void errors.push(error),
        tools: {
          weather: tool({
            inputSchema: z.object({ city: z.string() }),
            execute: async ({ city }) => {
              asked.push(city);
              return `${city}: fine`;
            },
          }),
        },
      });
      let said = '';
      for await (const part of result.fullStream) if (part.type === 'text-delta') said += part.text;
      if (errors.length > 0) throw errors[0];
      return said;
    },
  };
}

const agents: readonly Agent[] = [
  openAi,
  anthropic,
  toAiAgent('an agent on ai and @ai-sdk/openai', ({ root, key }) =>
    createOpenAI({ baseURL: `${root}/v1`, apiKey: key }).chat('team-gpt'),
  ),
  toAiAgent('an agent on ai and @ai-sdk/anthropic', ({ root, key }) =>
    createAnthropic({ baseURL: `${root}/v1`, apiKey: key })('team-claude'),
  ),
];

const faults: Readonly<Record<string, Fault>> = {
  'breaks in the middle of everything': { kind: 'cut', how: 'reset', afterChunks: 1 },
  'ends everything as if it were whole': { kind: 'cut', how: 'clean-end', afterChunks: 1 },
  'is overloaded': { kind: 'status', status: 529 },
};

async function start(forwarding: NonNullable<GatewayConfig['forwarding']>, fault: Fault) {
  const site = await createOutageSite(forwarding, { reply: act });
  onTestFinished(() => site.close());
  site.primary.fail(fault, { times: 100 });
  return site;
}

describe.each(agents)('$name', ({ run }) => {
  it.each(Object.entries(faults))('gets to its end while the provider %s', async (_, fault) => {
    const site = await start({ commit: 'complete' }, fault);
    const asked: string[] = [];
    expect(await run(site.setup, asked)).toBe(closing);
    expect(asked).toEqual(cities);
    expect(site.backup.requestCount).toBe(3);
    expect(site.records.map(({ outcome }) => outcome)).toEqual(['complete', 'complete', 'complete']);
  });

  it('runs no tool on half a call, and is told so, where nothing may be tried', async () => {
    const site = await start({ rescue: [] }, { kind: 'cut', how: 'clean-end', afterChunks: 1 });
    const asked: string[] = [];
    await expect(run(site.setup, asked)).rejects.toThrow();
    expect(asked).toEqual([]);
    expect(site.backup.requestCount).toBe(0);
    // one of these libraries tells the model of it and goes on by itself
    expect(site.records.length).toBeGreaterThan(0);
    expect(site.records.every(({ outcome }) => outcome === 'failed')).toBe(true);
  });
});
