import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { cutsOf, startRescueSite } from './rescue-site.ts';
import { cutAt } from './scripted-egress.ts';

const pieces = ['Zwölf ', 'Füchse 🦊', ' quer.'];
const whole = pieces.join('');

type Site = ReturnType<typeof startRescueSite>;

interface Protocol {
  readonly name: string;
  readonly type: 'openai' | 'anthropic';
  /** The events of a whole answer, as the provider's API reference has them. */
  events(tag: string, pieces: readonly string[]): string[];
  /** Reads an answer with the provider's own client. @throws whatever that throws */
  read(site: Site): Promise<string>;
  /** What begins the events behind which the text is over. */
  readonly over: string;
}

const data = (value: object | string) =>
  `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
const typed = (value: { readonly type: string }) => `event: ${value.type}\n${data(value)}`;

const protocols: readonly Protocol[] = [
  {
    name: 'chat completions',
    type: 'openai',
    over: '"finish_reason":"stop"',
    events(tag, said) {
      const head = { id: `chatcmpl-${tag}`, object: 'chat.completion.chunk', created: 1, model: tag };
      const chunk = (delta: object, finish_reason: string | null = null) =>
        data({ ...head, choices: [{ index: 0, delta, finish_reason }] });
      return [
        chunk({ role: 'assistant', content: '' }),
        ...said.map((content) => chunk({ content })),
        chunk({}, 'stop'),
        data('[DONE]'),
      ];
    },
    async read({ openai }) {
      const runner = openai.chat.completions.stream({
        model: 'model',
        messages: [{ role: 'user', content: 'hi' }],
      });
      const completion = await runner.finalChatCompletion();
      expect(completion.id).toMatch(/^chatcmpl-(one|two)$/);
      expect(completion.choices[0]?.finish_reason).toBe('stop');
      return completion.choices[0]?.message.content ?? '';
    },
  },
  {
    name: 'legacy completions',
    type: 'openai',
    over: '"finish_reason":"stop"',
    events(tag, said) {
      const head = { id: `cmpl-${tag}`, object: 'text_completion', created: 1, model: tag };
      const chunk = (text: string, finish_reason: string | null = null) =>
        data({ ...head, choices: [{ index: 0, text, logprobs: null, finish_reason }] });
      return [...said.map((text) => chunk(text)), chunk('', 'stop'), data('[DONE]')];
    },
    async read({ openai }) {
      let text = '';
      let finish: string | null = null;
      const ids = new Set<string>();
      const stream = await openai.completions.create({ model: 'model', prompt: 'hi', stream: true });
      for await (const { id, choices } of stream) {
        ids.add(id);
        text += choices[0]?.text ?? '';
        finish = choices[0]?.finish_reason ?? finish;
      }
      expect(finish).toBe('stop');
      expect(ids.size).toBe(1);
      return text;
    },
  },
  {
    name: 'messages',
    type: 'anthropic',
    over: 'event: content_block_stop',
    events(tag, said) {
      const usage = { input_tokens: 3, output_tokens: 1 };
      const message = {
        id: `msg_${tag}`,
        type: 'message',
        role: 'assistant',
        model: tag,
        content: [],
        usage,
      };
      return [
        { type: 'message_start', message },
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
        ...said.map((text) => ({
          type: 'content_block_delta',
          index: 0,
          delta: { type: 'text_delta', text },
        })),
        { type: 'content_block_stop', index: 0 },
        { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 9 } },
        { type: 'message_stop' },
      ].map(typed);
    },
    async read({ anthropic }) {
      const message = await anthropic.messages
        .stream({ model: 'model', max_tokens: 99, messages: [{ role: 'user', content: 'hi' }] })
        .finalMessage();
      expect(message.id).toMatch(/^msg_(one|two)$/);
      expect(message.stop_reason).toBe('end_turn');
      expect(message.content).toHaveLength(1);
      return message.content[0]?.type === 'text' ? message.content[0].text : '';
    },
  },
];

describe.each(protocols)('a stream of $name that breaks anywhere', ({ type, events, read, over }) => {
  const first = events('one', pieces);
  const overAt = Buffer.byteLength(
    first
      .slice(
        0,
        first.findIndex((event) => event.includes(over)),
      )
      .join(''),
  );

  it('is whole where the route restarts, until its text was over; and never a part that passes for the whole', async () => {
    const second = { chunks: events('two', [...whole]) };
    let cut = 0;
    let asked = 0;
    let rescued = 0;
    const site = startRescueSite({
      type,
      rescue: ['restart'],
      answers: [() => cutAt(first, cut), () => second],
    });
    // every byte of what can be gone on with, and the ends of the rest
    const cuts = [...Array(overAt).keys(), ...cutsOf(first, false).filter((at) => at >= overAt)];
    for (cut of cuts) {
      const found = await read(site).catch((error: unknown) => error);
      asked++;
      await site.recorded(asked);
      if (cut <= overAt) {
        expect(found, `cut at ${cut}`).toBe(whole);
        if (site.records.at(-1)?.rescue) rescued++;
      } else if (found !== whole) {
        expect(found, `cut at ${cut}`).toBeInstanceOf(
          type === 'openai' ? OpenAI.APIError : Anthropic.APIError,
        );
      }
    }
    expect(rescued).toBeGreaterThan(100);
  });

  it('is whole when it breaks late, however much went out, in chunks of any size', async () => {
    const long = Array.from({ length: 1_500 }, (_, index) => `${index} ${pieces[index % 3]}`);
    const text = long.join('');
    const sent = Buffer.from(events('one', long).slice(0, 1_400).join(''));
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < sent.length; at += 1 + ((at * 7) % 1_300)) {
      chunks.push(sent.subarray(at, at + 1 + ((at * 7) % 1_300)));
    }
    const site = startRescueSite({
      type,
      rescue: ['restart'],
      answers: [() => ({ chunks, breaks: true }), () => ({ chunks: events('two', long) })],
    });
    expect(await read(site)).toBe(text);
    await site.recorded(1);
    expect(site.records[0]?.rescue).toEqual(['restart']);
  });
});
