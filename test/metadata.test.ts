import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isGatewayError } from '../src/errors.ts';
import { noMetadata, readMetadata, requireMetadata } from '../src/metadata.ts';

const read = (value: string | string[]) => readMetadata({ 'x-headgate-metadata': value });
const many = (count: number) => Array.from({ length: count }, (_, index) => `n${index}=v`).join(',');

describe('the metadata of a request', () => {
  it.each<[string, string | string[], object]>([
    ['a JSON object', '{"ticket":"PAY-12","env":"staging"}', { ticket: 'PAY-12', env: 'staging' }],
    ['pairs', 'ticket=PAY-12, env=staging', { ticket: 'PAY-12', env: 'staging' }],
    ['pairs with = in a value, empty values and a comma too many', 'a=b=c,d=, ', { a: 'b=c', d: '' }],
    ['spaces around', '  {"a":" b "}  ', { a: 'b' }],
    ['one header line in a list', ['a=b'], { a: 'b' }],
    ['nothing', ' ', {}],
    ['as many entries as there may be', many(32), expect.objectContaining({ n31: 'v' })],
    ['a value as long as it may be', `a=${'x'.repeat(256)}`, { a: 'x'.repeat(256) }],
    // as Node gives the bytes of a header field
    ['UTF-8', Buffer.from('a=größe łódź 大').toString('latin1'), { a: 'größe łódź 大' }],
    ['UTF-8 in JSON', Buffer.from('{"a":"ß"}').toString('latin1'), { a: 'ß' }],
    ['latin1', 'a=caf\u00e9', { a: 'café' }],
    ['letters of every script', '{"a":"größe 大"}', { a: 'größe 大' }],
    ['names that every object has', 'constructor=x', { constructor: 'x' }],
  ])('is read from %s', (_, value, expected) => expect(read(value)).toEqual(expected));

  it('is nothing without the header', () => expect(readMetadata({})).toBe(noMetadata));

  it.each<[string, string | string[], string]>([
    ['two header lines', ['a=b', 'c=d'], 'is given more than once'],
    ['too many entries', many(33), 'more than 32 entries'],
    ['too many bytes', `a=${'x'.repeat(4_096)}`, 'more than 4096 bytes'],
    ['an entry without =', 'a=b, c', 'without ='],
    ['a name with other characters', 'a b=c', 'has a name'],
    ['no name', '=c', 'has a name'],
    ['a name that is too long', `${'n'.repeat(65)}=c`, 'has a name'],
    ['a name twice', 'a=b,a=c', 'names "a" twice'],
    ['a name twice in JSON', '{"a":"b","a":"c"}', 'names something twice'],
    ['a value that is too long', `a=${'x'.repeat(257)}`, 'longer than 256'],
    ['a value with a control character', 'a=b\u0007', 'not printable'],
    ['a value with a line break in JSON', '{"a":"b\\nc"}', 'not printable'],
    ['a value that is no string', '{"a":1}', 'a value that is not a string'],
    ['a value that is an object', '{"a":{"b":"c"}}', 'a value that is not a string'],
    ['a broken object', '{"a":', 'is not a JSON object'],
    ['the prototype', '{"__proto__":"x"}', 'is not a JSON object'],
    ['the prototype as a pair', '__proto__=x', 'has a name'],
  ])('is refused with %s', (_, value, expected) => {
    try {
      read(value);
      expect.unreachable();
    } catch (error) {
      expect(isGatewayError(error) && [error.code, error.status]).toEqual(['malformed_request', 400]);
      expect((error as Error).message).toContain(expected);
    }
  });

  it('is an object of strings or a refusal, whatever the header holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.boolean(), (text, asJson) => {
        try {
          const metadata = read(asJson ? `{${text}}` : text);
          for (const value of Object.values(metadata)) expect(typeof value).toBe('string');
          expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
        } catch (error) {
          expect(isGatewayError(error) && error.code).toBe('malformed_request');
        }
      }),
    );
  });

  it('must have what is required, and not empty: the error names all that is missing, and the header', () => {
    expect(() => requireMetadata({ a: '1' }, ['a'])).not.toThrow();
    try {
      requireMetadata({ a: '1', c: '' }, ['a', 'b', 'c', 'constructor']);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'metadata_required', status: 400 });
      expect((error as Error).message).toBe(
        'Your access profile asks for "b", "c", "constructor" in the metadata of each request. Send the header x-headgate-metadata: b=…, c=…, constructor=…',
      );
    }
  });
});
