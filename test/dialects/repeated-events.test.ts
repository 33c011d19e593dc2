import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Learnt, RepeatedEvents } from '../../src/dialects/repeated-events.ts';
import { mostTextBytes } from '../../src/json/kernel/layout.ts';

type Fields = Readonly<Record<string, unknown>>;

const event = (data: Fields) => `data: ${JSON.stringify(data)}\n\n`;
const delta = (content: string, more: Fields = {}, last: Fields = {}) =>
  event({ id: 'c', choices: [{ index: 0, delta: { content, ...more }, finish_reason: null }], ...last });

function taught(event: string): RepeatedEvents {
  const repeated = new RepeatedEvents({ parts: undefined });
  repeated.learn(event);
  return repeated;
}

/** Where those end that are told, alone and behind something else; -1 if there are none. */
function endOf(repeated: RepeatedEvents, text: string, maxBytes = 10_000): number {
  const end = repeated.endOf(text, 0, maxBytes);
  const { found } = repeated;
  const before = 'data: [DONE]\n\n';
  expect(repeated.endOf(before + text, before.length, maxBytes)).toBe(end < 0 ? end : before.length + end);
  expect(repeated.found).toBe(found);
  return end;
}

describe('events that repeat one that was learnt', () => {
  it('are those that differ in texts', () => {
    const repeated = taught(delta('one'));
    expect(endOf(repeated, delta('one'))).toBe(delta('one').length);
    expect(endOf(repeated, delta('three'))).toBe(delta('three').length);
    expect(endOf(repeated, delta(''))).toBe(delta('').length);
    const strange = delta('a \\ b " c\n\u0001 \\"');
    expect(endOf(repeated, strange)).toBe(strange.length);
    expect(endOf(repeated, delta('one').replaceAll('\n', '\r\n'))).toBe(-1);
  });

  it('are told one behind the other, to the first that is none', () => {
    const repeated = taught(delta('one'));
    const three = delta('a') + delta('') + delta('c'.repeat(5_000));
    for (const behind of ['', delta('d').slice(0, -1), delta('d', { more: 1 }), '\0'.repeat(20)]) {
      expect(endOf(repeated, three + behind)).toBe(three.length);
      expect(repeated.found).toBe(3);
    }
    expect(endOf(repeated, three, 5_000)).toBe((delta('a') + delta('')).length);
    expect(repeated.found).toBe(2);
  });

  it('are told whatever was looked at before', () => {
    const [one, other] = [taught(delta('a')), taught(event({ text: 'a' }))];
    const long = delta('x').repeat(100);
    for (let time = 0; time < 3; time++) {
      expect(endOf(one, long)).toBe(long.length);
      expect(endOf(other, delta('x'))).toBe(-1);
      expect(endOf(other, event({ text: 'y' }))).toBe(event({ text: 'y' }).length);
      // what a longer text has left behind it is none of it
      expect(endOf(one, delta('x').slice(0, -3))).toBe(-1);
    }
  });

  it('are told wherever it is begun in the same text', () => {
    const repeated = taught(delta('one'));
    const all = delta('a') + delta('bc') + delta('');
    const starts = [0, delta('a').length, all.length - delta('').length, all.length];
    for (const text of [all, Buffer.from(all)]) {
      for (const events of [2, 3, 0, 1, 0, 3, 1]) {
        const isEnd = events === 3;
        expect(repeated.endOf(text, starts[events] as number, 1_000)).toBe(isEnd ? -1 : all.length);
        expect(repeated.found).toBe(3 - events);
      }
    }
  });

  it('are left to others in a text that is longer than the kernel takes', () => {
    const repeated = taught(delta('one'));
    const most = delta('x'.repeat(mostTextBytes - delta('').length));
    expect(repeated.endOf(most, 0, most.length)).toBe(most.length);
    expect(repeated.endOf(`${most} `, 0, most.length)).toBe(-1);
    // but for what stands before the place where it is begun
    expect(repeated.endOf(`${delta('')}${most}`, delta('').length, most.length)).toBe(
      delta('').length + most.length,
    );
  });

  it.each([
    ['what pads them', delta('a', {}, { pad: 'xy' }), delta('bc', {}, { pad: '' })],
    ['several texts', delta('a', { role: 'b' }, { c: 'd' }), delta('e', { role: 'b' }, { c: '' })],
    ['texts in a list', event({ texts: ['a', 'b'] }), event({ texts: ['', 'c'] })],
    ['escapes', delta('a\\'), delta('"\\')],
    ['as many texts as are followed', manyTexts(16), manyTexts(16)],
    ['no escape more', delta('\\a'), delta('\n')],
    ['quotes', delta('"a" or "b"'), delta('d')],
    ['names in a text', delta('"a":"b"'), delta('"c":1')],
    ['lines that end with CRLF', crlf(delta('a')), crlf(delta('c'))],
  ])('are told whatever differs: %s', (_, one, other) => {
    expect(endOf(taught(one), other)).toBe(other.length);
  });

  it.each([
    ['a number differs', event({ text: 'a', n: 1 }), event({ text: 'b', n: 2 })],
    ['a name differs', event({ a: 'x' }), event({ b: 'x' })],
    ['a member more', event({ text: 'a' }), event({ text: 'b', more: 1 })],
    ['a text more', event({ texts: ['a'] }), event({ texts: ['a', 'b'] })],
    ['a value of another kind', event({ text: 'a' }), event({ text: null })],
    ['the model differs', event({ text: 'a', model: 'a' }), event({ text: 'a', model: 'b' })],
    ['the role differs', event({ text: 'a', role: 'a' }), event({ text: 'a', role: 'b' })],
    ['there is no text', event({ n: 1 }), event({ n: 1 })],
    ['there are too many', manyTexts(17), manyTexts(17)],
    ['they are long', event({ text: 'a'.repeat(3_000) }), event({ text: 'b' })],
    ['there is space before colons', 'data: {"a" :"b"}\n\n', 'data: {"a" :"b"}\n\n'],
    ['a string has no end', 'data: {"a":"b}\n\n', 'data: {"a":"b}\n\n'],
  ])('are not told where %s', (_, one, other) => {
    expect(endOf(taught(one), other)).toBe(-1);
  });

  it.each([
    ['a reason to finish', delta('a').replace('null', '"stop"')],
    ['a member behind', delta('a', {}, { usage: { prompt_tokens: 1 } })],
    ['a member before', event({ usage: {}, id: 'c', choices: [] })],
    ['a raw break of line in the text', delta('a@b').replace('@', '\n')],
    ['a raw CR in the text', delta('a@b').replace('@', '\r')],
    ['a quote that closes early', delta('a@b').replace('@', '"')],
    ['an escape of what closes', delta('a@').replace('@', '\\')],
    ['no blank line', delta('a').slice(0, -1)],
    ['its half', delta('a').slice(0, 40)],
    ['another event before it', `data: [DONE]\n\n${delta('a')}`],
    ['nothing', ''],
  ])('are not those with %s', (_, text) => {
    expect(endOf(taught(delta('one')), text)).toBe(-1);
  });

  it('are not those beyond the size an event may have', () => {
    const repeated = taught(delta('one'));
    expect(endOf(repeated, delta('x'), delta('x').length)).toBe(delta('x').length);
    expect(endOf(repeated, delta('x'), delta('x').length - 1)).toBe(-1);
  });

  it('are still told behind one that is out of the ordinary', () => {
    const repeated = taught(delta('one'));
    repeated.learn(event({ n: 1 }));
    expect(endOf(repeated, delta('three'))).toBe(delta('three').length);
  });

  it('are those of one that another stream has learnt, while it has learnt none itself', () => {
    const learnt: Learnt = { parts: undefined };
    const [one, other, third] = [1, 2, 3].map(() => new RepeatedEvents(learnt)) as [
      RepeatedEvents,
      RepeatedEvents,
      RepeatedEvents,
    ];
    expect(endOf(other, delta('a'))).toBe(-1);
    one.learn(delta('one'));
    other.learn(event({ arguments: 'a' }));
    expect(endOf(one, delta('a'))).toBe(delta('a').length);
    expect(endOf(third, delta('a'))).toBe(-1);
    expect(endOf(third, event({ arguments: 'b' }))).toBe(event({ arguments: 'b' }).length);
  });

  it('may come to be others, but not for ever', () => {
    const repeated = taught(delta('one'));
    const other = (text: string) => event({ arguments: text });
    repeated.learn(other('a'));
    expect(endOf(repeated, other('c'))).toBe(other('c').length);
    expect(endOf(repeated, delta('one'))).toBe(-1);
    for (let time = 0; time < 50; time++) repeated.learn(event({ text: 'a', time }));
    repeated.learn(delta('two'));
    expect(endOf(repeated, delta('one'))).toBe(-1);
  });

  it('are equal to one that was learnt in all but the texts of values', () => {
    const value = fc.oneof(
      { weight: 4, arbitrary: fc.string() },
      { weight: 4, arbitrary: fc.string({ unit: fc.constantFrom('"', '\\', ':', '{', ',', ' ', 'a') }) },
      { weight: 1, arbitrary: fc.constantFrom(null, 1, []) },
    );
    // seldom without one of them
    const data = fc.record({ a: value, b: value, c: value }, { requiredKeys: ['a', 'b'] });
    let told = 0;
    fc.assert(
      fc.property(data, data, (one, other) => {
        const isTold = endOf(taught(event(one)), event(other)) > 0;
        const hasText = Object.values(one).some((text) => typeof text === 'string');
        expect(isTold).toBe(hasText && isDeepStrictEqual(shapeOf(one), shapeOf(other)));
        if (isTold) told++;
      }),
      { numRuns: 5_000 },
    );
    expect(told).toBeGreaterThan(50);
  });
});

function manyTexts(count: number): string {
  return event({ texts: Array.from({ length: count }, () => 'a'), n: 1 });
}

function crlf(event: string): string {
  return event.replaceAll('\n', '\r\n');
}

/** The data with every text in it the same. */
function shapeOf(data: unknown): unknown {
  return JSON.parse(JSON.stringify(data), (_, value) => (typeof value === 'string' ? 'text' : value));
}
