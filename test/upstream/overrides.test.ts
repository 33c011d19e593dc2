import { describe, expect, it } from 'vitest';
import type { Call } from '../../src/call.ts';
import type { Operation } from '../../src/dialects/endpoint.ts';
import { scanJsonObject } from '../../src/json/scan.ts';
import { type JsonEdit, setMember, spliceJson } from '../../src/json/splice.ts';
import { defaultForwarding, overlayForwarding } from '../../src/routing/forwarding.ts';
import { overrideBody, overrideHeaders } from '../../src/upstream/overrides.ts';

/** A body after its overrides, and after an edit that the gateway makes besides. */
function override(text: string, body: Record<string, unknown>, operation: Operation = 'chat', more = false) {
  const bytes = new TextEncoder().encode(text);
  const members = scanJsonObject(bytes);
  const call = { members, endpoint: { operation } } as unknown as Call;
  const edits: JsonEdit[] = overrideBody(call, body);
  if (more) edits.push(setMember(members, 'stream_options', { include_usage: true }));
  return new TextDecoder().decode(spliceJson(bytes, edits));
}

describe('what a target overrides in a body', () => {
  const text = '{ "model":"m" ,"temperature" : 0.70, "top_p":1,\n "messages":[{"x":"\\u00e9"}] , "seed":7 }';

  it('replaces and adds members, and leaves every other byte as it was', () => {
    expect(override(text, { temperature: 0.2 })).toBe(text.replace('0.70', '0.2'));
    expect(override(text, { service_tier: 'flex', user: 'x' })).toBe(
      text.replace('7 }', '7 ,"service_tier":"flex","user":"x"}'),
    );
  });

  it('takes members away with one comma each, wherever they stand, and leaves JSON', () => {
    const keys = ['model', 'temperature', 'top_p', 'messages', 'seed'];
    for (let set = 1; set < 2 ** keys.length - 1; set++) {
      const removed = keys.filter((_, at) => set & (1 << at));
      const nulls = Object.fromEntries(removed.map((key) => [key, null]));
      const expected = JSON.parse(text);
      for (const key of removed) delete expected[key];
      expect(JSON.parse(override(text, nulls))).toEqual(expected);
      const changed = override(text, { ...nulls, extra: 1 }, 'chat', true);
      expect(JSON.parse(changed)).toEqual({
        ...expected,
        extra: 1,
        stream_options: { include_usage: true },
      });
    }
  });

  it('takes nothing away that would leave an empty object, and nothing that is not there', () => {
    expect(override('{"a":1}', { a: null })).toBe('{"a":1}');
    expect(override('{"a":1}', { b: null })).toBe('{"a":1}');
    expect(override('{}', { b: 1 })).toBe('{}');
  });

  it('leaves counts of tokens and batches alone', () => {
    for (const operation of ['message-count-tokens', 'count-tokens', 'message-batch-create'] as const) {
      expect(override('{"a":1}', { temperature: 1 }, operation)).toBe('{"a":1}');
    }
  });
});

describe('what a target overrides besides', () => {
  it('replaces header fields of the same name, once', () => {
    expect(overrideHeaders(['a', '1', 'b', '2', 'c', '3'], { b: 'x', d: 'y' })).toEqual([
      'a',
      '1',
      'c',
      '3',
      'b',
      'x',
      'd',
      'y',
    ]);
  });

  it('changes of a policy what it says, and nothing by what it leaves out', () => {
    expect(overlayForwarding(defaultForwarding, undefined)).toBe(defaultForwarding);
    const overlaid = overlayForwarding(
      { ...defaultForwarding, timeouts: { idleMs: 5, totalMs: 9 } },
      { maxAttempts: 2, commit: undefined, onFailure: { refused: 'stop' }, timeouts: { idleMs: 7 } },
    );
    expect(overlaid).toEqual({
      ...defaultForwarding,
      maxAttempts: 2,
      onFailure: { ...defaultForwarding.onFailure, refused: 'stop' },
      timeouts: { idleMs: 7, totalMs: 9 },
    });
  });
});
