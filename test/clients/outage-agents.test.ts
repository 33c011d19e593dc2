import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { type Content, GoogleGenAI } from '@google/genai';
import { generateText, isStepCount, streamText, tool } from 'ai';
import type { GatewayConfig } from 'headgate';
import type { Fault, RecordedRequest, ScriptedReply } from 'headgate/testing';
import OpenAI from 'openai';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { type Setup, silenceWarnings } from './clients.ts';
import { createOutageSite } from './outage-site.ts';

silenceWarnings();

const closing = 'It is 21 degrees in Paris and 17 in Oslo, so take a light jacket with you.';
const question = 'What should I wear?';
const cities = ['Paris', 'Oslo'];
/** What is said before a tool is called. */
const preface = ['Let ', 'me ', 'look.'];

/** Two tools one after the other, then the answer: by how many results the request brings. */
function act({ body }: RecordedRequest): ScriptedReply {
  const text = body.toString();
  const results = text.match(/"tool_call_id"|"tool_use_id"|"function_call_output"|"functionResponse"/g) ?? [];
  const city = cities[results.length];
  if (city === undefined) return { text: closing };
  return { toolCalls: [{ name: 'weather', arguments: { city } }] };
}

/** The same, with something said before each call. */
function actTalking(request: RecordedRequest): ScriptedReply {
  const reply = act(request);
  return reply.toolCalls ? { ...reply, chunks: preface } : reply;
}

interface Agent {
  readonly name: string;
  /** Whether its protocol sends a call of a tool whole, so that there is no half of one. @default false */
  readonly callsAreWhole?: boolean;
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

const openAiResponses: Agent = {
  name: 'an agent on the responses of openai',
  async run({ root, key }, asked) {
    const client = new OpenAI({ baseURL: `${root}/v1`, apiKey: key, maxRetries: 0 });
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: question }];
    for (let step = 0; step < 5; step++) {
      const response = await client.responses
        .stream({
          ...{ model: 'team-gpt', store: false, input },
          tools: [{ type: 'function', name: 'weather', parameters: schema, strict: false }],
        })
        .finalResponse();
      if (response.status !== 'completed') throw new Error(`The response is ${response.status}.`);
      const calls = response.output.filter((item) => item.type === 'function_call');
      if (calls.length === 0) return response.output_text;
      for (const item of response.output) input.push(item as OpenAI.Responses.ResponseInputItem);
      for (const call of calls) {
        const { city } = JSON.parse(call.arguments) as { city: string };
        asked.push(city);
        input.push({ type: 'function_call_output', call_id: call.call_id, output: `${city}: fine` });
      }
    }
    throw new Error('The agent found no end.');
  },
};

const googleGenAi: Agent = {
  name: 'an agent on @google/genai',
  callsAreWhole: true,
  async run({ root, key }, asked) {
    const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: root } });
    const contents: Content[] = [{ role: 'user', parts: [{ text: question }] }];
    for (let step = 0; step < 5; step++) {
      const parts: NonNullable<Content['parts']> = [];
      const stream = await client.models.generateContentStream({
        model: 'team-gemini',
        contents,
        config: { tools: [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: schema }] }] },
      });
      for await (const chunk of stream) parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []));
      contents.push({ role: 'model', parts });
      const results = parts.flatMap(({ functionCall }) => {
        if (!functionCall) return [];
        const { city } = functionCall.args as { city: string };
        asked.push(city);
        return [{ functionResponse: { name: 'weather', response: { result: `${city}: fine` } } }];
      });
      if (results.length === 0) return parts.map(({ text }) => text ?? '').join('');
      contents.push({ role: 'user', parts: results });
    }
    throw new Error('The agent found no end.');
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

type ToModel = (setup: Setup) => Parameters<typeof streamText>[0]['model'];

const toTools = (asked: string[]) => ({
  weather: tool({
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return `${city}: fine`;
    },
  }),
});

const providerOptions = { openai: { store: false } };

function toAiAgent(name: string, toModel: ToModel): Agent {
  return {
    name,
    callsAreWhole: name.includes('google'),
    async run(setup, asked) {
      const errors: unknown[] = [];
      const result = streamText({
        model: toModel(setup),
        prompt: question,
        maxRetries: 0,
        stopWhen: isStepCount(5),
        onError: ({ error }) => void errors.push(error),
        tools: toTools(asked),
        providerOptions,
      });
      let said = '';
      for await (const part of result.fullStream) {
        if (part.type === 'start-step') said = '';
        if (part.type === 'text-delta') said += part.text;
      }
      if (errors.length > 0) throw errors[0];
      return said;
    },
  };
}

const models: readonly [string, ToModel][] = [
  [
    '@ai-sdk/openai',
    ({ root, key }) => createOpenAI({ baseURL: `${root}/v1`, apiKey: key }).chat('team-gpt'),
  ],
  [
    'the responses of @ai-sdk/openai',
    ({ root, key }) => createOpenAI({ baseURL: `${root}/v1`, apiKey: key })('team-gpt'),
  ],
  [
    '@ai-sdk/anthropic',
    ({ root, key }) => createAnthropic({ baseURL: `${root}/v1`, apiKey: key })('team-claude'),
  ],
  [
    '@ai-sdk/google',
    ({ root, key }) => createGoogleGenerativeAI({ baseURL: `${root}/v1beta`, apiKey: key })('team-gemini'),
  ],
];

const agents: readonly Agent[] = [
  openAi,
  openAiResponses,
  anthropic,
  googleGenAi,
  ...models.map(([name, toModel]) => toAiAgent(`an agent on ai and ${name}`, toModel)),
];

const faults: Readonly<Record<string, Fault>> = {
  'breaks in the middle of everything': { kind: 'cut', how: 'reset', afterChunks: 1 },
  'ends everything as if it were whole': { kind: 'cut', how: 'clean-end', afterChunks: 1 },
  'is overloaded': { kind: 'status', status: 529 },
};

async function start(forwarding: NonNullable<GatewayConfig['forwarding']>, fault: Fault, reply = act) {
  const site = await createOutageSite(forwarding, { reply });
  onTestFinished(() => site.close());
  site.primary.fail(fault, { times: 100 });
  return site;
}

describe.each(agents)('$name', ({ run, callsAreWhole }) => {
  // what breaks behind its first chunk has to be more than a chunk
  const reply = callsAreWhole ? actTalking : act;

  it.each(Object.entries(faults))('gets to its end while the provider %s', async (_, fault) => {
    const site = await start({ commit: 'complete' }, fault, reply);
    const asked: string[] = [];
    expect(await run(site.setup, asked)).toBe(closing);
    expect(asked).toEqual(cities);
    expect(site.backup.requestCount).toBe(3);
    expect(site.records.map(({ outcome }) => outcome)).toEqual(['complete', 'complete', 'complete']);
  });

  it('runs no tool on half a call, and is told so, where nothing may be tried', async () => {
    const site = await start({ rescue: [] }, { kind: 'cut', how: 'clean-end', afterChunks: 1 }, reply);
    const asked: string[] = [];
    await expect(run(site.setup, asked)).rejects.toThrow();
    expect(asked).toEqual([]);
    expect(site.backup.requestCount).toBe(0);
    // one of these libraries tells the model of it and goes on by itself
    expect(site.records.length).toBeGreaterThan(0);
    expect(site.records.every(({ outcome }) => outcome === 'failed')).toBe(true);
  });

  it('gets to its end where the route restarts while everything breaks within what is said', async () => {
    const site = await start(
      { rescue: ['restart'] },
      { kind: 'cut', how: 'reset', afterChunks: 2 },
      actTalking,
    );
    const asked: string[] = [];
    expect(await run(site.setup, asked)).toBe(closing);
    expect(asked).toEqual(cities);
    expect([site.primary.requestCount, site.backup.requestCount]).toEqual([3, 3]);
    expect(site.records.map(({ outcome, rescue }) => [outcome, rescue])).toEqual(
      Array.from({ length: 3 }, () => ['complete', ['restart']]),
    );
  });

  const cutInCall = { kind: 'cut', how: 'reset', afterChunks: preface.length + 1 } as const;
  const anyRescue = { rescue: ['restart', 'continue'] } as const;

  if (callsAreWhole) {
    // a call that comes whole comes with the finish reason: nothing more was to come
    it('gets to its end where everything breaks behind a whole call of a tool', async () => {
      const site = await start(anyRescue, cutInCall, actTalking);
      const asked: string[] = [];
      expect(await run(site.setup, asked)).toBe(closing);
      expect(asked).toEqual(cities);
      expect(site.records[0]?.outcome).toBe('complete');
      expect(site.records[0]?.attempts).toHaveLength(1);
    });
  } else {
    it('is told of an error where a call of a tool had begun, and runs no tool on a part of it', async () => {
      const site = await start(anyRescue, cutInCall, actTalking);
      const asked: string[] = [];
      await expect(run(site.setup, asked)).rejects.toThrow();
      expect(asked).toEqual([]);
      // one of these libraries tells the model of it and goes on by itself
      expect(site.records[0]?.outcome).toBe('failed');
      expect(site.records[0]?.attempts).toHaveLength(1);
    });
  }
});

describe.each(models)('an agent on generateText and %s, which asks for whole answers', (_, toModel) => {
  it.each(Object.entries(faults))('gets to its end while the provider %s', async (_, fault) => {
    const site = await start({ rescue: [] }, fault, actTalking);
    const asked: string[] = [];
    const { text } = await generateText({
      ...{ model: toModel(site.setup), prompt: question, maxRetries: 0, providerOptions },
      ...{ stopWhen: isStepCount(5), tools: toTools(asked) },
    });
    expect(text).toBe(closing);
    expect(asked).toEqual(cities);
    expect(site.backup.requestCount).toBe(3);
  });
});
