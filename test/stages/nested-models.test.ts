import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonScanError, scanJsonObject } from '../../src/json/scan.ts';
import { nestedModels } from '../../src/stages/nested-models.ts';

const toBytes = (text: string) => new TextEncoder().encode(text);

/** What is found in a body, and that it stands where it is said to. */
function find(text: string): string[] {
  const body = toBytes(text);
  return nestedModels(body, scanJsonObject(body)).map(({ start, end, model, path }) => {
    expect(JSON.parse(new TextDecoder().decode(body.subarray(start, end)))).toBe(model);
    return `${path}: ${model}`;
  });
}

// biome-ignore lint/suspicious/noExplicitAny: documents of every shape
type Json = any;

const isObject = (value: Json) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The same, from the parsed document. */
function expected(document: Json): string[] {
  const found: string[] = [];
  const own = (request: Json) => {
    if (typeof request.model === 'string') found.push(`model: ${request.model}`);
    helpers(request);
  };
  const helpers = (request: Json) => {
    for (const name of ['fallbacks', 'models', 'tools']) {
      for (const item of Array.isArray(request[name]) ? request[name] : []) {
        if (isObject(item) && typeof item.model === 'string') found.push(`${name}.model: ${item.model}`);
        // texts among tools name none that anybody knows of
        if (typeof item === 'string' && name !== 'tools') found.push(`${name}: ${item}`);
      }
    }
  };
  helpers(document);
  for (const name of ['generateContentRequest', 'generate_content_request']) {
    if (isObject(document[name])) own(document[name]);
  }
  for (const request of Array.isArray(document.requests) ? document.requests : []) {
    if (!isObject(request)) continue;
    own(request);
    if (isObject(request.params)) own(request.params);
  }
  return found;
}

/** JSON with white space, and with letters of keys and texts escaped, as a hostile client writes it. */
function write(value: Json, escapes: boolean): string {
  const space = escapes ? ' \n' : '';
  const toText = (text: string) =>
    escapes
      ? `"${Array.from(text, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
      : JSON.stringify(text);
  if (typeof value === 'string') return toText(value);
  if (Array.isArray(value)) {
    return `[${space}${value.map((item) => write(item, escapes)).join(`${space},`)}${space}]`;
  }
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, of]) => `${toText(key)}${space}:${space}${write(of, escapes)}`,
  );
  return `{${space}${members.join(`,${space}`)}${space}}`;
}

const name = fc.constantFrom('a', 'b-1', 'model', 'fallbacks');
const scalar = fc.oneof(name, fc.constantFrom(null, true, 7, '"model":"x"', '\\'));
const item: fc.Arbitrary<Json> = fc.oneof(
  scalar,
  fc.record(
    { model: scalar, name, input_schema: fc.constant({ properties: { model: { type: 'string' } } }) },
    { requiredKeys: [] },
  ),
  fc.array(fc.record({ model: name }), { maxLength: 2 }),
);
const lists = {
  fallbacks: fc.oneof(fc.array(item, { maxLength: 3 }), fc.constant('default')),
  models: fc.array(item, { maxLength: 3 }),
  tools: fc.oneof(fc.array(item, { maxLength: 3 }), scalar),
};
const request: fc.Arbitrary<Json> = fc.record({ model: scalar, ...lists }, { requiredKeys: [] });
const batched = fc.oneof(
  scalar,
  fc.record({ model: scalar, params: fc.oneof(request, scalar), ...lists }, { requiredKeys: [] }),
);
const document = fc.record(
  {
    ...lists,
    model: scalar,
    generateContentRequest: fc.oneof(request, scalar),
    generate_content_request: request,
    requests: fc.oneof(fc.array(batched, { maxLength: 3 }), scalar),
  },
  { requiredKeys: [] },
);

describe('the models that a body names besides its own', () => {
  it('are those that a parser finds, however the body is written', () => {
    fc.assert(
      fc.property(document, fc.boolean(), (given, escapes) => {
        const text = write(given, escapes);
        expect(JSON.parse(text)).toEqual(given);
        expect(find(text).sort()).toEqual(expected(given).sort());
      }),
      { numRuns: 500 },
    );
  });

  it.each(['fallbacks', 'models', 'tools'])('are refused where an item of %s names two', (list) => {
    expect(() => find(`{"${list}":[{"model":"a","model":"b"}]}`)).toThrow(JsonScanError);
  });

  it.each(['fallbacks', 'models', 'requests'])('are refused in %s of more than 100,000 items', (list) => {
    expect(find(`{"${list}":[${'1,'.repeat(99_999)}{"model":"a"}]}`)).toHaveLength(1);
    expect(() => find(`{"${list}":[${'1,'.repeat(100_000)}{"model":"a"}]}`)).toThrow(
      'more than 100000 items',
    );
  });

  it('are refused where the lists of all requests together have more than 100,000', () => {
    const names = `{"models":[${'"a",'.repeat(127)}"a"]}`;
    expect(find(`{"requests":[${`${names},`.repeat(3)}{"model":"a"}]}`)).toHaveLength(385);
    expect(() => find(`{"requests":[${`${names},`.repeat(782)}{}]}`)).toThrow('the body more than 100000');
  });
});
