import { GatewayError } from 'headgate';
import { describe, expect, it } from 'vitest';
import { dialectByName } from '../../src/dialects/index.ts';
import { createJsonInspector, passingInspector } from '../../src/upstream/json-inspector.ts';
import { cut, inspect } from './inspect.ts';

const reply = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-1',
    choices: [
      { index: 0, message: { role: 'assistant', content: '"usage": {"prompt_tokens": 1} Grüße 世界 \\' } },
    ],
    usage: { prompt_tokens: 12, completion_tokens: 30, total_tokens: 42 },
  }),
);
const create = (maxBytes = 1_000_000, metered = true) =>
  createJsonInspector(dialectByName['openai-chat'], maxBytes, metered);

describe('a JSON reply', () => {
  it('comes out byte for byte and tells its usage, wherever it is cut in two', () => {
    for (let at = 0; at <= reply.length; at++) {
      const found = inspect(create(), cut(reply, [at]));
      expect(found.output.equals(reply)).toBe(true);
      expect(found.usage).toEqual({ inputTokens: 12, outputTokens: 30, source: 'reported' });
      expect(found.error).toBeUndefined();
    }
  });

  it('is not whole wherever it is cut off, nor with anything behind it', () => {
    for (let length = 0; length < reply.length; length++) {
      expect(inspect(create(), [reply.subarray(0, length)]).error).toMatchObject({
        code: 'upstream_invalid_response',
      });
    }
    for (const behind of ['x', '{}', ',', '\0']) {
      expect(inspect(create(), [reply, Buffer.from(behind)]).error).toBeDefined();
    }
    expect(inspect(create(), [reply, Buffer.from(' \r\n\t')]).error).toBeUndefined();
  });

  it.each(['', ' ', 'null x', '<html>', '{"a":}', '{a:1}', '[1,]', "{'a':1}", 'undefined'])(
    'that is %j is not JSON',
    (text) => {
      expect(inspect(create(), [Buffer.from(text)]).error).toBeDefined();
    },
  );

  it('whose usage has been counted before tells none', () => {
    expect(inspect(create(1_000_000, false), [reply])).toMatchObject({ usage: undefined, error: undefined });
  });

  it('is refused beyond its bound, at the chunk that crosses it', () => {
    const inspector = create(100);
    inspector.chunk(reply.subarray(0, 100));
    expect(() => inspector.chunk(reply.subarray(100, 101))).toThrow(GatewayError);
  });

  it('has no way to say that it broke, nor has a body of another kind', () => {
    const error = new GatewayError('upstream_unreachable', 'x');
    expect(create().errorTail(error)).toBeUndefined();
    expect(passingInspector.errorTail(error)).toBeUndefined();
    expect(passingInspector.chunk(reply)).toBe(reply);
    expect([passingInspector.usage(), passingInspector.end().error]).toEqual([undefined, undefined]);
  });
});
