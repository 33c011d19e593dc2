import * as fc from 'fast-check';
import { GatewayError } from 'headgate';
import { describe, expect, it } from 'vitest';
import { readFixture } from '../dialects/read-stream.ts';
import { createInspector, cut, inspect, streams } from './inspect.ts';

const lineEnds = ['\n', '\r\n', '\r'] as const;
const isUsageEvent = (event: string) =>
  event.includes('"choices":[],"usage":{') || /"choices":\[\].*"usage":\{/.test(event);

/** The stream without its usage event. */
const withoutUsage = (text: string) =>
  text
    .split(/(?<=\n\n)/)
    .filter((event) => !isUsageEvent(event))
    .join('');

describe.each(streams)('the $fixture stream', ({ fixture, dialect, hasUsageEvent }) => {
  const text = readFixture(fixture);
  const bytes = Buffer.from(text);
  const whole = inspect(createInspector(dialect), [bytes]);

  it('is whole and reports its usage', () => {
    expect(whole.error).toBeUndefined();
    expect(whole.usage?.source).toBe('reported');
    expect(whole.output.equals(bytes)).toBe(true);
  });

  it('comes out byte for byte, with the same usage, wherever it is cut in two', () => {
    for (let at = 0; at <= bytes.length; at++) {
      const found = inspect(createInspector(dialect), cut(bytes, [at]));
      expect(found.output.equals(bytes), `cut at ${at}`).toBe(true);
      expect(found.usage).toEqual(whole.usage);
      expect(found.error).toBeUndefined();
    }
  });

  it('comes out less exactly the usage event that the gateway asked for, wherever it is cut in two', () => {
    const expected = Buffer.from(withoutUsage(text));
    expect(expected.equals(bytes)).toBe(!hasUsageEvent);
    for (let at = 0; at <= bytes.length; at++) {
      const found = inspect(createInspector(dialect, { dropUsage: true }), cut(bytes, [at]));
      expect(found.output.toString(), `cut at ${at}`).toBe(expected.toString());
      expect(found.usage).toEqual(whole.usage);
      expect(found.error).toBeUndefined();
    }
  });

  it.each([1, 2, 3, 5, 17])('comes out the same in pieces of %i bytes', (size) => {
    const offsets = Array.from(
      { length: Math.ceil(bytes.length / size) - 1 },
      (_, index) => (index + 1) * size,
    );
    for (const dropUsage of [false, true]) {
      const found = inspect(createInspector(dialect, { dropUsage }), cut(bytes, offsets));
      expect(found.output.toString()).toBe(dropUsage ? withoutUsage(text) : text);
      expect(found.usage).toEqual(whole.usage);
      expect(found.error).toBeUndefined();
    }
  });

  it('comes out as it came with every line end, a byte order mark and comments, in any chunks', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...lineEnds),
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        fc.array(fc.nat({ max: bytes.length * 2 }), { maxLength: 12 }),
        (lineEnd, bom, comments, dropUsage, offsets) => {
          const dress = (plain: string) => {
            const noisy = comments ? plain.replace(/^(?=data|event)/gm, ': ping ë\n') : plain;
            return (bom ? '\ufeff' : '') + noisy.replaceAll('\n', lineEnd);
          };
          const given = Buffer.from(dress(text));
          const chunks = cut(
            given,
            offsets.filter((offset) => offset <= given.length),
          );
          const found = inspect(createInspector(dialect, { dropUsage }), chunks);
          const expected = dropUsage ? dress(withoutUsage(text)) : given.toString();
          // a comment stands before its event, and goes with it when they are one block
          expect(found.output.toString()).toBe(expected);
          expect(found.usage).toEqual(whole.usage);
          expect(found.error).toBeUndefined();
        },
      ),
      { numRuns: 150 },
    );
  });

  it('hands a chunk of whole events on at once: the same bytes, not a copy', () => {
    const inspector = createInspector(dialect);
    for (const event of text.split(/(?<=\n\n)/)) {
      const chunk = Buffer.from(event);
      const passed = inspector.chunk(chunk);
      // what holds an error member is looked at event by event
      if (!event.includes('error')) expect(passed).toBe(chunk);
    }
  });

  it.each([true, false])(
    'holds back no more than the event that is not whole yet, taken out or not: %s',
    (dropUsage) => {
      const inspector = createInspector(dialect, { dropUsage });
      let given = 0;
      let taken = 0;
      for (const event of text.split(/(?<=\n\n)/)) {
        const half = Math.floor(event.length / 2);
        taken += inspector.chunk(Buffer.from(event.slice(0, half))).length;
        expect(given - taken).toBeLessThanOrEqual(0);
        taken += inspector.chunk(Buffer.from(event.slice(half))).length;
        if (!dropUsage || !isUsageEvent(event)) given += Buffer.byteLength(event);
        expect(taken).toBe(given);
      }
    },
  );

  it('without its terminator is reported as incomplete', () => {
    const first = text.slice(0, text.indexOf('\n\n') + 2);
    const found = inspect(createInspector(dialect), [Buffer.from(first)]);
    expect(found.error).toMatchObject({ code: 'stream_incomplete' });
  });
});

describe('an event stream', () => {
  const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
  const delta = event({ choices: [{ index: 0, delta: { content: 'x' }, finish_reason: null }] });
  const stop = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  const usage = event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } });
  const done = 'data: [DONE]\n\n';
  const run = (text: string, options: Parameters<typeof createInspector>[1] = {}, size = 1 << 20) => {
    const given = Buffer.from(text);
    const offsets = Array.from(
      { length: Math.max(0, Math.ceil(given.length / size) - 1) },
      (_, i) => (i + 1) * size,
    );
    const found = inspect(createInspector('openai-chat', options), cut(given, offsets));
    return { ...found, output: found.output.toString() };
  };

  it('whose last event lacks its blank line is read to its end, and comes out as it came', () => {
    for (const dropUsage of [false, true]) {
      for (const size of [1, 7, 1_000]) {
        const found = run(`${delta}${stop}data: [DONE]`, { dropUsage }, size);
        expect(found).toMatchObject({ output: `${delta}${stop}data: [DONE]`, error: undefined });
        const line = run(`${delta}${stop}data: [DONE]\n`, { dropUsage }, size);
        expect(line).toMatchObject({ output: `${delta}${stop}data: [DONE]\n`, error: undefined });
      }
    }
    const last = run(`${delta}${stop}${usage.trimEnd()}`, { dropUsage: true }, 5);
    expect(last).toMatchObject({ output: delta + stop, usage: { inputTokens: 3, outputTokens: 2 } });
  });

  it('loses the usage event and nothing else when line ends of different kinds are mixed', () => {
    for (const separator of ['\n\r\n', '\r\n\n', '\r\n\r', '\n\r', '\r\n\r\n\r\n', '\n\n\n', '\r\r\r']) {
      const text = [delta, stop, usage, done].map((one) => one.trimEnd() + separator).join('');
      for (const size of [1, 2, 3, 10_000]) {
        const found = run(text, { dropUsage: true }, size);
        expect(found.usage, JSON.stringify([separator, size])).toMatchObject({
          inputTokens: 3,
          outputTokens: 2,
        });
        expect(found.error).toBeUndefined();
        expect(found.output).not.toContain('prompt_tokens');
        // an empty line more or less is no event
        expect(found.output.split(/[\r\n]+/)).toEqual(
          [delta, stop, done].map((one) => one.trimEnd()).concat(''),
        );
      }
    }
  });

  it('loses the usage event however its JSON is spaced', () => {
    for (const choices of ['"choices":[]', '"choices": []', '"choices" : [ ]', '"choices":\t[]']) {
      const odd = `data: {${choices}, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\n`;
      const found = run(delta + stop + odd + done, { dropUsage: true });
      expect(found.output, choices).toBe(delta + stop + done);
    }
  });

  it('loses the usage event of a provider that leaves its choices out', () => {
    for (const choices of [{}, { choices: null }]) {
      const odd = event({ ...choices, usage: { prompt_tokens: 3, completion_tokens: 2 } });
      expect(run(delta + stop + odd + done, { dropUsage: true })).toMatchObject({
        output: delta + stop + done,
        usage: { inputTokens: 3, outputTokens: 2 },
      });
    }
  });

  it('keeps usage that comes with content, and text that only looks like usage', () => {
    const withContent = event({
      choices: [{ index: 0, delta: { content: '{"choices":[],"usage":{}}' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 2 },
    });
    for (const size of [1, 9, 10_000]) {
      const found = run(delta + withContent + done, { dropUsage: true }, size);
      expect(found.output).toBe(delta + withContent + done);
      expect(found.usage).toMatchObject({ inputTokens: 3, outputTokens: 2 });
    }
  });

  it('is estimated from its events when it ends without usage, and not at all when it was empty', () => {
    expect(run(delta.repeat(5) + stop + done, { inputTokens: 40 }).usage).toEqual({
      inputTokens: 40,
      outputTokens: 7,
      source: 'estimated',
    });
    expect(run('').usage).toBeUndefined();
    expect(run(': only a comment\n\n').usage).toBeUndefined();
  });

  it('is empty when it says that it is over and nothing else', () => {
    for (const [text, isEmpty] of [
      [done, true],
      [stop, true],
      [delta, false],
      [event({ choices: [{ index: 0, delta: {}, finish_reason: 'content_filter' }] }), false],
    ] as const) {
      const inspector = createInspector('openai-chat');
      inspect(inspector, [Buffer.from(text)]);
      expect(inspector.isEmpty, text).toBe(isEmpty);
    }
  });

  it('is whole where a large event comes in very small pieces, which took minutes when all that was pending was looked at with each', () => {
    const large = event({ choices: [{ index: 0, delta: { content: 'x'.repeat(8_000_000) } }] });
    const found = run(large + stop + done, { maxEventBytes: 16_000_000 }, 64);
    expect(found.output === large + stop + done).toBe(true);
  });

  it("that reports the provider's own error ends with it: nothing behind it goes out, and no second error", () => {
    const inspector = createInspector('openai-chat');
    const own = event({ error: { type: 'server_error', message: 'x' } });
    const passed = inspector.chunk(Buffer.from(delta + own + delta + done));
    expect(Buffer.from(passed).toString()).toBe(delta);
    expect(inspector.failure).toMatchObject({ code: 'upstream_error' });
    expect(inspector.errorType).toBe('server_error');
    expect(inspector.chunk(Buffer.from(delta))).toHaveLength(0);
    expect(inspector.end().error).toMatchObject({ code: 'upstream_error' });
    const tail = inspector.errorTail(new GatewayError('upstream_error', 'x'));
    expect(Buffer.from(tail as Uint8Array).toString()).toBe(own);
  });

  it('ends before an event that is none of the protocol, in whatever pieces it comes', () => {
    for (const broken of ['data: {"choices":[{"index":0,"del\n\n', 'data: <html>\n\n']) {
      for (const size of [1, 7, 10_000]) {
        const found = run(delta + broken + delta + stop + done, {}, size);
        expect(found.output, broken).toBe(delta);
        expect(found.error, broken).toMatchObject({ code: 'upstream_invalid_response' });
      }
    }
  });

  it('goes on without an event that is none of the protocol where it is to be skipped', () => {
    for (const size of [1, 7, 10_000]) {
      const found = run(`${delta}data: <html>\n\n${delta}${stop}${done}`, { onMalformed: 'skip' }, size);
      expect(found).toMatchObject({ output: delta + delta + stop + done, error: undefined });
    }
  });

  it('that breaks inside an event ends with an error event that stands on its own', () => {
    for (const dropUsage of [false, true]) {
      const inspector = createInspector('openai-chat', { dropUsage });
      const out = [inspector.chunk(Buffer.from(delta + stop.slice(0, 20)))];
      const tail = inspector.errorTail(new GatewayError('upstream_unreachable', 'broke'));
      const text = Buffer.concat([...out, tail as Uint8Array]).toString();
      const events = text.split('\n\n').filter((one) => one !== '');
      expect(JSON.parse(events.at(-1)!.slice('data: '.length)).error.code).toBe('upstream_unreachable');
      expect(text.endsWith('\n\n')).toBe(true);
    }
  });

  it('is refused beyond its bound: one long line, or many lines of one event', () => {
    const shapes: [string, string][] = [
      ['one endless line', `data: ${'x'.repeat(5_000)}`],
      ['one line that ends', `data: ${'x'.repeat(5_000)}\n\n`],
      ['many data lines', 'data: x\n'.repeat(2_000)],
    ];
    for (const dropUsage of [false, true]) {
      for (const [shape, text] of shapes) {
        // a chunk is in memory already: the bound is on what is kept from one to the next
        expect(
          () => run(text, { dropUsage, maxEventBytes: 1_000 }, 64),
          `${shape}, drop ${dropUsage}`,
        ).toThrow(GatewayError);
      }
    }
  });

  it('holds back no more than its bound, whatever comes without a blank line', () => {
    for (const line of [': ping\n', 'id: 1\n', 'event: x\n', 'retry: 5\n', 'unknown: x\n', ':\n', 'y']) {
      const inspector = createInspector('openai-chat', { dropUsage: true, maxEventBytes: 1_000 });
      let given = 0;
      let taken = 0;
      try {
        for (let index = 0; index < 300; index++) {
          const chunk = Buffer.from(line.repeat(20));
          given += chunk.length;
          taken += inspector.chunk(chunk).length;
        }
      } catch (error) {
        // refusing it is as good as letting it pass
        expect(error).toBeInstanceOf(GatewayError);
        continue;
      }
      expect(given - taken, `${JSON.stringify(line)} held back`).toBeLessThanOrEqual(2_000);
    }
  });
});

it('counts what came of a stream that broke, where the provider had only begun to report', () => {
  const text = readFixture('anthropic-messages');
  const events = text.split(/(?<=\n\n)/);
  const deltas = events.findIndex((event) => event.includes('message_delta'));
  const inspector = createInspector('anthropic-messages');
  const { usage } = inspect(inspector, [Buffer.from(events.slice(0, deltas).join(''))]);
  const { usage: told } = inspect(createInspector('anthropic-messages'), [Buffer.from(text)]);
  expect(usage).toMatchObject({ inputTokens: told?.inputTokens, source: 'estimated' });
  expect(usage?.outputTokens).toBeGreaterThanOrEqual(deltas);
  expect(usage?.outputTokens).toBeLessThanOrEqual(told?.outputTokens ?? 0);
  // what was reported by then stands
  const reported = createInspector('anthropic-messages');
  expect(inspect(reported, [Buffer.from(events.slice(0, deltas + 1).join(''))]).usage).toEqual(told);
});

it.each([
  { many: 1, least: 0.9, most: 2 },
  { many: 10, least: 0.6, most: 2 },
  { many: 40, least: 0.6, most: 2 },
])('counts tokens of a broken stream in which each event has $many of them', ({ many, least, most }) => {
  const opening = readFixture('anthropic-messages').split(/(?<=\n\n)/)[0] as string;
  // as tokens of o200k_base, with their spaces
  const tokens =
    'The| gateway| relays| every| event| as| it| comes|,| and| counts| what| it| brings|.| A'.split('|');
  const texts = Array.from({ length: 60 }, (_, event) =>
    Array.from({ length: many }, (_, at) => tokens[(event * many + at) % tokens.length]).join(''),
  );
  const events = texts.map(
    (text) =>
      `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"${text}"}}\n\n`,
  );
  for (const perChunk of [1, 60]) {
    const chunks = perChunk === 1 ? events : [events.join('')];
    const { usage } = inspect(createInspector('anthropic-messages'), [opening, ...chunks].map(Buffer.from));
    const ratio = (usage?.outputTokens ?? 0) / (60 * many);
    expect(ratio).toBeGreaterThan(least);
    expect(ratio).toBeLessThan(most);
  }
});
