import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RepeatedEvents } from '../../src/dialects/repeated-events.ts';

type Fields = Readonly<Record<string, unknown>>;

const event = (data: Fields) => `data: ${JSON.stringify(data)}\n\n`;
const delta = (content: string, more: Fields = {}, last: Fields = {}) =>
  event({ id: 'c', choices: [{ index: 0, delta: { content, ...more }, finish_reason: null }], ...last });

function taught(...events: readonly string[]): RepeatedEvents {
  const repeated = new RepeatedEvents();
  for (const text of events) repeated.learn(text);
  return repeated;
}

describe('events that repeat the one before', () => {
  it('are those that differ in the text of the same strings', () => {
    const repeated = taught(delta('one'), delta('and two'));
    expect(repeated.count(delta('three'), 1_000)).toBe(1);
    expect(repeated.count(delta(''), 1_000)).toBe(1);
    expect(repeated.count(delta('a \\ b " c\n\u0001 \\"') + delta('x'.repeat(300)), 1_000)).toBe(2);
    expect(repeated.count(delta('one').replaceAll('\n', '\r\n'), 1_000)).toBe(0);
  });

  it.each<[string, string, string, string]>([
    ['what pads them', ...padded(['a', 'xy'], ['bc', 'z'], ['', ''])],
    ['several texts', ...spoken(['a', 'b', 'c'], ['d', 'e', 'f'], ['g', 'h', ''])],
    ['escapes', delta('a\\'), delta('a"'), delta('"\\')],
    ['an escape more', delta('a'), delta('\\a'), delta('\n')],
    ['quotes in common', delta('"a" or "b"'), delta('"a" or c'), delta('d')],
    ['the end of a text', delta('abc'), delta('abd'), delta('q')],
    ['that one has an end', delta('abc'), delta('ab'), delta('q')],
    ['only the last of many events', delta('a') + event({ n: 1 }) + delta('b'), delta('c'), delta('d')],
    ['lines that end with CRLF', ...crlf(delta('a'), delta('b'), delta('c'))],
  ])('are told whatever differs: %s', (_, one, other, third) => {
    expect(taught(one, other).count(third, 1_000)).toBe(1);
  });

  it.each([
    ['a number differs', event({ text: 'a', n: 1 }), event({ text: 'b', n: 2 })],
    ['a name differs', event({ a: 'x' }), event({ b: 'x' })],
    ['a member more', event({ text: 'a' }), event({ text: 'b', more: 1 })],
    ['a value of another kind', event({ text: 'a' }), event({ text: null })],
    ['nothing differs', event({ text: 'a' }), event({ text: 'a' })],
    [
      'too many strings differ',
      event({ a: 'a', b: 'a', c: 'a', d: 'a' }),
      event({ a: 'b', b: 'b', c: 'b', d: 'b' }),
    ],
    ['they are long', event({ text: 'a'.repeat(3_000) }), event({ text: 'b'.repeat(3_000) })],
  ])('are not told where %s', (_, one, other) => {
    const repeated = taught(one, other);
    expect(repeated.count(one, 10_000)).toBe(0);
    expect(repeated.count(other, 10_000)).toBe(0);
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
    ['another event behind it', `${delta('a')}data: [DONE]\n\n`],
    ['nothing', ''],
  ])('are not those with %s', (_, text) => {
    expect(taught(delta('one'), delta('two')).count(text, 1_000)).toBe(0);
  });

  it('are not those beyond the size an event may have', () => {
    const repeated = taught(delta('one'), delta('two'));
    expect(repeated.count(delta('x'), delta('x').length)).toBe(1);
    expect(repeated.count(delta('x'), delta('x').length - 1)).toBe(0);
  });

  it('may come to be others, but not for ever', () => {
    const repeated = taught(delta('one'), delta('two'));
    const other = (text: string) => event({ arguments: text });
    repeated.learn(other('a'));
    expect(repeated.count(other('c'), 1_000)).toBe(0);
    repeated.learn(other('b'));
    expect(repeated.count(other('c'), 1_000)).toBe(1);
    expect(repeated.count(delta('one'), 1_000)).toBe(0);
    for (let time = 0; time < 50; time++) repeated.learn(event({ text: 'a', time }));
    for (const text of [delta('one'), delta('two')]) repeated.learn(text);
    expect(repeated.count(delta('one'), 1_000)).toBe(0);
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
      fc.property(data, data, data, (one, other, third) => {
        if (taught(event(one), event(other)).count(event(third), 10_000) === 0) return;
        told++;
        expect(shapeOf(third)).toEqual(shapeOf(other));
        expect(shapeOf(one)).toEqual(shapeOf(other));
      }),
      { numRuns: 5_000 },
    );
    expect(told).toBeGreaterThan(50);
  });
});

type Three<Of> = [Of, Of, Of];

function padded(...texts: Three<[string, string]>): Three<string> {
  return texts.map(([content, pad]) => delta(content, {}, { pad })) as Three<string>;
}

function spoken(...texts: Three<[string, string, string]>): Three<string> {
  return texts.map(([content, role, pad]) => delta(content, { role }, { pad })) as Three<string>;
}

function crlf(...events: Three<string>): Three<string> {
  return events.map((text) => text.replaceAll('\n', '\r\n')) as Three<string>;
}

/** The data with every text in it the same. */
function shapeOf(data: unknown): unknown {
  return JSON.parse(JSON.stringify(data), (_, value) => (typeof value === 'string' ? 'text' : value));
}
