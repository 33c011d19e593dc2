/**
 * Reads the requests, or the replies, of one connection and calls `onMessage` with the first line of each once it is
 * complete. Understands `content-length` and chunked bodies, and discards bodies.
 */
export function createMessageReader(onMessage: (firstLine: string) => void): (data: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0);
  let bodyLeft = 0;
  let chunked = false;
  let firstLine = '';

  return (data) => {
    let rest = pending.length > 0 ? Buffer.concat([pending, data]) : data;
    pending = Buffer.alloc(0);
    for (;;) {
      if (bodyLeft > 0) {
        const taken = Math.min(bodyLeft, rest.length);
        bodyLeft -= taken;
        rest = rest.subarray(taken);
        if (bodyLeft > 0) return;
        if (!chunked) onMessage(firstLine);
      }
      if (rest.length === 0) return;
      if (chunked) {
        const end = rest.indexOf('\r\n');
        if (end < 0) break;
        const size = Number.parseInt(rest.toString('latin1', 0, end), 16);
        if (size === 0) {
          if (rest.length < end + 4) break;
          rest = rest.subarray(end + 4);
          chunked = false;
          onMessage(firstLine);
        } else {
          rest = rest.subarray(end + 2);
          bodyLeft = size + 2;
        }
        continue;
      }
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) break;
      const head = rest.toString('latin1', 0, end);
      rest = rest.subarray(end + 4);
      firstLine = head.slice(0, head.indexOf('\r\n'));
      bodyLeft = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      chunked = /\r\ntransfer-encoding: *chunked/i.test(head);
      if (bodyLeft === 0 && !chunked) onMessage(firstLine);
    }
    pending = rest;
  };
}
