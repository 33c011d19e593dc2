/** How a server's bytes fall into messages, and which of them are notifications. */
export interface Framing {
  /** Where the message that begins at `start` ends; `undefined` while it is not whole. */
  endOf(bytes: Buffer, start: number): number | undefined;
  isNotification(message: Buffer): boolean;
}

/** PostgreSQL's messages from the server, protocol 3: a type, a length, a body. Without TLS. */
export const postgresFraming: Framing = {
  endOf(bytes, start) {
    if (bytes.length < start + 5) return undefined;
    const end = start + 1 + bytes.readUInt32BE(start + 1);
    return end <= bytes.length ? end : undefined;
  },
  isNotification: (message) => message[0] === 0x41, // 'A', NotificationResponse
};

const carriageReturn = 0x0d;

/** RESP 2 and 3. */
export const redisFraming: Framing = {
  endOf: endOfReply,
  isNotification: (message) =>
    /^[*>]\d+\r\n\$7\r\nmessage\r\n/.test(message.subarray(0, 40).toString('latin1')),
};

function endOfReply(bytes: Buffer, start: number): number | undefined {
  const lineEnd = bytes.indexOf(carriageReturn, start);
  if (lineEnd < 0 || bytes.length < lineEnd + 2) return undefined;
  const next = lineEnd + 2;
  const type = String.fromCharCode(bytes[start] as number);
  if (!'$=!*~>%'.includes(type)) return next;
  const count = Number(bytes.toString('latin1', start + 1, lineEnd));
  if (count < 0) return next;
  if ('$=!'.includes(type)) return bytes.length >= next + count + 2 ? next + count + 2 : undefined;
  let end: number | undefined = next;
  for (let left = type === '%' ? count * 2 : count; left > 0 && end !== undefined; left--) {
    end = end < bytes.length ? endOfReply(bytes, end) : undefined;
  }
  return end;
}
