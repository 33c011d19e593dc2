import OpenAI from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { describe, expect, it } from 'vitest';
import { cutsOf, type RescueSite, startRescueSite } from './rescue-site.ts';
import { responseEvents, type ScriptedItem, toText } from './response-events.ts';
import { cutAt } from './scripted-egress.ts';

const pieces = ['Zwölf ', 'Füchse 🦊', ' quer.'];
const whole = pieces.join('');
const message: ScriptedItem = { type: 'message', pieces };
const call: ScriptedItem = { type: 'function_call', name: 'weather', pieces: ['{"city":', '"Oslo"}'] };
const silent: ScriptedItem = { type: 'reasoning' };

interface Seen {
  readonly events: ResponseStreamEvent[];
  /** Undefined where the client threw. */
  readonly final: OpenAI.Responses.Response | undefined;
  readonly error: unknown;
}

/** Reads a response with the client's own accumulator, which checks ids and places. */
async function read(client: OpenAI, more: object = {}): Promise<Seen> {
  const events: ResponseStreamEvent[] = [];
  const stream = client.responses.stream({ model: 'model', input: 'hi', store: false, ...more });
  stream.on('event', (event) => void events.push(event));
  try {
    return { events, final: await stream.finalResponse(), error: undefined };
  } catch (error) {
    return { events, final: undefined, error };
  }
}

/** What must hold of a stream whatever became of it. */
function expectConsistent({ events, final }: Seen): void {
  const numbers = events.map((event) => (event as { sequence_number: number }).sequence_number);
  expect(numbers).toEqual(numbers.map((_, index) => index));
  const ids = new Set(events.flatMap((event) => ('response' in event ? [event.response.id] : [])));
  expect(ids.size).toBeLessThanOrEqual(1);
  const begun: string[] = [];
  const done: string[] = [];
  for (const event of events) {
    if (event.type === 'response.output_item.added') begun[event.output_index] = event.item.id ?? '';
    if (event.type === 'response.output_item.done') done[event.output_index] = event.item.id ?? '';
  }
  if (final?.status !== 'completed') return;
  expect(done).toEqual(begun);
  expect(final.output.map(({ id }) => id)).toEqual(begun);
  const said = events
    .map((event) => (event.type === 'response.output_text.delta' ? event.delta : ''))
    .join('');
  expect(final.output_text).toBe(said);
  for (const event of events) if (event.type === 'response.output_text.done') expect(event.text).toBe(said);
}

const callsOf = ({ final }: Seen) =>
  final?.output.flatMap((item) => (item.type === 'function_call' ? [item.arguments] : []));

describe('a response cut anywhere', () => {
  const answers: readonly [string, readonly ScriptedItem[], boolean][] = [
    ['of text', [message], true],
    ['of text behind reasoning of which nothing is shown', [silent, message], false],
    ['of text behind encrypted reasoning', [{ type: 'reasoning', encrypted: 'gAAA' }, message], false],
    ['of text, then a call of a tool', [message, call], false],
  ];

  it.each(answers)(
    '%s is whole where the route restarts, until its text was over',
    async (_, items, everyByte) => {
      const first = responseEvents({ tag: 'one', items });
      // its pieces are others
      const others = items.map((item) => (item.type === 'message' ? { ...item, pieces: [...whole] } : item));
      const second = { chunks: responseEvents({ tag: 'two', items: others }) };
      const over = Buffer.byteLength(
        first
          .slice(
            0,
            first.findIndex((event) => event.includes('text.done')),
          )
          .join(''),
      );
      let rescued = 0;
      let asked = 0;
      let cut = 0;
      const {
        openai: client,
        records,
        recorded,
      } = startRescueSite({
        rescue: ['restart'],
        answers: [() => cutAt(first, cut), () => second],
      });
      // every byte of what can be gone on with, and the ends of the rest
      const everywhere = cutsOf(first, everyByte).filter((at) => at <= over);
      for (cut of [...everywhere, ...cutsOf(first, false).filter((at) => at > over)]) {
        const seen = await read(client);
        expectConsistent(seen);
        asked++;
        await recorded(asked);
        const record = records.at(-1);
        // an event that is whole but for its blank line counts
        if (cut >= over + Buffer.byteLength('event: response.output_text.done\ndata: {')) {
          if (seen.final) expect(seen.final.output_text).toBe(whole);
          else expect(seen.error).toBeInstanceOf(OpenAI.APIError);
          continue;
        }
        expect(seen.error).toBeUndefined();
        expect(seen.final?.output_text).toBe(whole);
        expect(callsOf(seen)).toEqual(items.includes(call) ? ['{"city":"Oslo"}'] : []);
        expect(record?.outcome).toBe('complete');
        if (record?.rescue) rescued++;
      }
      expect(rescued).toBeGreaterThan(3);
    },
    300_000,
  );
});

/** Asks once, while the first provider says these events and breaks behind them. */
async function readOnce(
  site: Pick<RescueSite, 'rescue'> & {
    readonly said: readonly string[];
    readonly others: RescueSite['answers'];
    readonly more?: object;
  },
) {
  const { rescue, said, others, more } = site;
  const started = startRescueSite({ rescue, answers: [() => ({ chunks: said, breaks: true }), ...others] });
  const seen = await read(started.openai, more);
  expectConsistent(seen);
  await started.recorded(1);
  return { ...seen, record: started.records[0], sent: started.egress.sent };
}

/** The events up to the one behind which it breaks. */
function upTo(events: readonly string[], type: string, nth = 0): string[] {
  const at = events.flatMap((event, index) => (event.startsWith(`event: ${type}\n`) ? [index] : []));
  return events.slice(0, (at[nth] as number) + 1);
}

const first = responseEvents({ tag: 'one', items: [message] });
const second = { chunks: responseEvents({ tag: 'two', items: [message] }) };
const halfSaid = upTo(first, 'response.output_text.delta');

describe('a response that broke within its text', () => {
  it('is gone on with by a target that continues, which is given what went out as an unfinished turn', async () => {
    let input: unknown;
    const rest = responseEvents({ tag: 'two', items: [{ type: 'message', pieces: pieces.slice(1) }] });
    const { final, record } = await readOnce({
      rescue: ['continue'],
      said: halfSaid,
      others: [
        (body) => {
          input = JSON.parse(body).input;
          return { chunks: rest };
        },
      ],
    });
    expect(input).toEqual([
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'Zwölf' },
    ]);
    expect(final?.output_text).toBe(whole);
    expect(final?.id).toBe('resp_one');
    expect(record).toMatchObject({ outcome: 'complete', rescue: ['continue'] });
    // both are paid
    expect(final?.usage?.output_tokens).toBe(record?.usage?.outputTokens);
    expect(final?.usage?.output_tokens).toBeGreaterThan(10);
  });

  it('ends its text where another target goes on with a call of a tool', async () => {
    const { final, error, ...seen } = await readOnce({
      rescue: ['continue'],
      said: halfSaid,
      others: [() => ({ chunks: responseEvents({ tag: 'two', items: [silent, call] }) })],
    });
    expect(error).toBeUndefined();
    expect(final?.output_text).toBe('Zwölf ');
    expect(callsOf({ final, error, ...seen })).toEqual(['{"city":"Oslo"}']);
    expect(final?.output.map(({ type }) => type)).toEqual(['message', 'function_call']);
  });

  it('has annotations where they are in all of the text', async () => {
    const cited = {
      type: 'url_citation',
      start_index: 0,
      end_index: 6,
      url: 'https://example.org',
      title: 'x',
    };
    const rest = responseEvents({ tag: 'two', items: [{ type: 'message', pieces: ['Füchse'] }] }).map(
      (event) => event.replaceAll('"annotations":[]', `"annotations":[${JSON.stringify(cited)}]`),
    );
    const { final } = await readOnce({
      rescue: ['continue'],
      said: halfSaid,
      others: [() => ({ chunks: rest })],
    });
    const [item] = final?.output ?? [];
    const part = item?.type === 'message' ? item.content[0] : undefined;
    const found = part?.type === 'output_text' ? part.annotations[0] : undefined;
    expect(found).toMatchObject({ start_index: 6, end_index: 12 });
    expect(final?.output_text.slice(6, 12)).toBe('Füchse');
  });

  it('is rescued a second time when the one that goes on breaks, too', async () => {
    const again = upTo(
      responseEvents({ tag: 'two', items: [silent, message] }),
      'response.output_text.delta',
      1,
    );
    const third = { chunks: responseEvents({ tag: 'three', items: [message] }) };
    const { final, record } = await readOnce({
      rescue: ['restart'],
      said: halfSaid,
      others: [() => ({ chunks: again, breaks: true }), () => third],
    });
    expect(final?.output_text).toBe(whole);
    expect(record).toMatchObject({ outcome: 'complete', rescue: ['restart', 'restart'] });
  });

  it('ends with an error of the answer that had begun when the provider that goes on reports one', async () => {
    const response = {
      id: 'resp_two',
      status: 'failed',
      output: [],
      error: { code: 'server_error', message: 'no' },
    };
    const { error, final, events, record } = await readOnce({
      rescue: ['restart'],
      said: halfSaid,
      others: [
        () => ({
          chunks: [
            ...upTo(second.chunks, 'response.output_text.delta', 1),
            toText({ type: 'response.failed', sequence_number: 6, response }),
          ],
        }),
      ],
    });
    expect(error).toBeUndefined();
    expect(final).toMatchObject({ id: 'resp_one', status: 'failed', error: { code: 'server_error' } });
    expect(events.at(-1)?.type).toBe('response.failed');
    expect(record?.outcome).toBe('failed');
  });
});

describe('a response that cannot be gone on with ends with an error, and never as a whole one', () => {
  const shown: ScriptedItem = { type: 'reasoning', summary: 'First, foxes.' };
  const cases: readonly [string, Parameters<typeof readOnce>[0]][] = [
    [
      'when the other answer says something else',
      {
        rescue: ['restart'],
        said: halfSaid,
        others: [
          () => ({ chunks: responseEvents({ tag: 'two', items: [{ type: 'message', pieces: ['Elf'] }] }) }),
        ],
      },
    ],
    [
      'when the other answer is over before',
      {
        rescue: ['restart'],
        said: halfSaid,
        others: [
          () => ({ chunks: responseEvents({ tag: 'two', items: [{ type: 'message', pieces: ['Zwö'] }] }) }),
        ],
      },
    ],
    [
      'when the other answer begins with a call of a tool',
      {
        rescue: ['restart'],
        said: halfSaid,
        others: [() => ({ chunks: responseEvents({ tag: 'two', items: [call, message] }) })],
      },
    ],
    [
      'when reasoning was shown',
      {
        rescue: ['restart', 'continue'],
        said: upTo(responseEvents({ tag: 'one', items: [shown, message] }), 'response.output_text.delta'),
        others: [() => ({ chunks: responseEvents({ tag: 'two', items: [shown, message] }) })],
      },
    ],
    [
      'within a call of a tool',
      {
        rescue: ['restart', 'continue'],
        said: upTo(responseEvents({ tag: 'one', items: [call] }), 'response.function_call_arguments.delta'),
        others: [() => ({ chunks: responseEvents({ tag: 'two', items: [call] }) })],
      },
    ],
    [
      'within a call of a tool behind text',
      {
        rescue: ['restart', 'continue'],
        said: upTo(
          responseEvents({ tag: 'one', items: [message, call] }),
          'response.function_call_arguments.delta',
        ),
        others: [() => ({ chunks: responseEvents({ tag: 'two', items: [message, call] }) })],
      },
    ],
    [
      'when its text was over',
      {
        rescue: ['restart', 'continue'],
        said: upTo(first, 'response.output_text.done'),
        others: [() => second],
      },
    ],
    [
      'when a call of a tool follows from reasoning that had no place any more',
      {
        rescue: ['restart'],
        said: halfSaid,
        others: [
          () => ({
            chunks: responseEvents({
              tag: 'two',
              items: [{ type: 'reasoning', encrypted: 'gAAA' }, message, call],
            }),
          }),
        ],
      },
    ],
    [
      'when its provider stores it',
      {
        rescue: ['restart', 'continue'],
        said: halfSaid,
        others: [() => second],
        more: { store: undefined },
      },
    ],
    [
      'when it is part of a conversation',
      {
        rescue: ['restart', 'continue'],
        said: halfSaid,
        others: [() => second],
        more: { conversation: 'conv_1' },
      },
    ],
  ];

  it.each(cases)('%s', async (_, site) => {
    const { final, error, record, events } = await readOnce(site);
    expect(final).toBeUndefined();
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect((error as InstanceType<typeof OpenAI.APIError>).code).toMatch(
      /^(upstream_unreachable|stream_incomplete)$/,
    );
    expect(events.some(({ type }) => type === 'response.completed')).toBe(false);
    expect(record?.outcome).toBe('failed');
  });
});
