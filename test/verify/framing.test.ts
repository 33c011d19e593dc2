import { describe, expect, it } from 'vitest';
import { type Framing, postgresFraming, redisFraming } from '../../scripts/verify/propagation/framing.ts';

/** All whole messages in some bytes, and how many bytes are left. */
function split(framing: Framing, bytes: Buffer): { messages: string[]; left: number } {
  const messages: string[] = [];
  let start = 0;
  while (start < bytes.length) {
    const end = framing.endOf(bytes, start);
    if (end === undefined) break;
    messages.push(bytes.toString('latin1', start, end));
    start = end;
  }
  return { messages, left: bytes.length - start };
}

const redisReplies = [
  '+OK\r\n',
  '-ERR no\r\n',
  ':12\r\n',
  '$5\r\na\r\nbc\r\n',
  '$-1\r\n',
  '*-1\r\n',
  '*0\r\n',
  '*2\r\n*1\r\n:1\r\n$1\r\nx\r\n',
  '%1\r\n+key\r\n*1\r\n_\r\n',
  '>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n',
  '*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n',
];
const postgresMessages = ['Z\0\0\0\x05I', 'A\0\0\0\x0c\0\0\0\x01ab\0\0', 'N\0\0\0\x04'];

describe.each([
  ['redis', redisFraming, redisReplies],
  ['postgres', postgresFraming, postgresMessages],
] as const)('the framing of %s', (_name, framing, expected) => {
  const bytes = Buffer.from(expected.join(''), 'latin1');

  it('finds every message', () => {
    expect(split(framing, bytes)).toEqual({ messages: [...expected], left: 0 });
  });

  it('waits for the rest of a message, wherever it is cut', () => {
    for (let length = 0; length < bytes.length; length++) {
      const { messages, left } = split(framing, bytes.subarray(0, length));
      expect(messages).toEqual(expected.slice(0, messages.length));
      expect(messages.join('').length + left).toBe(length);
    }
  });
});

it('knows a notification of Redis from every other reply', () => {
  const found = redisReplies.filter((reply) => redisFraming.isNotification(Buffer.from(reply)));
  expect(found).toEqual(['>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n']);
});

it('knows a notification of PostgreSQL from every other message', () => {
  const found = postgresMessages.filter((message) => postgresFraming.isNotification(Buffer.from(message)));
  expect(found).toEqual(['A\0\0\0\x0c\0\0\0\x01ab\0\0']);
});
