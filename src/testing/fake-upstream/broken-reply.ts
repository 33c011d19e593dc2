import type { Socket } from 'node:net';
import type { BrokenHeadFault, StatusFault } from './faults.ts';
import { quotaDetails, toErrorReply } from './provider-error.ts';
import type { Exchange, Reply, UpstreamFamily } from './types.ts';

const heads: Readonly<Record<BrokenHeadFault['how'], string>> = {
  'garbage-status': 'HTTP/9.9 banana split\r\n\r\n',
  'content-length-and-chunked':
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
  'two-content-lengths':
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 7\r\n\r\n{}     ',
  'switching-protocols':
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\x81\x02hi',
  'bad-chunk-size':
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
};

/** A second reply on an idle connection. */
export const extraResponse =
  'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"poisoned":true}';

/** Write a malformed head, and close. */
export function writeBrokenHead(socket: Socket, how: BrokenHeadFault['how']): void {
  socket.end(heads[how], 'latin1');
}

/** The reply of a status fault. */
export function toStatusReply(exchange: Exchange, family: UpstreamFamily, fault: StatusFault): Reply {
  const headers = {
    ...(fault.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) }),
    ...(fault.retryAfterMs === undefined ? {} : { 'retry-after-ms': String(fault.retryAfterMs) }),
    ...fault.headers,
  };
  if (fault.body === 'empty') {
    return { status: fault.status, headers, body: Buffer.alloc(0) };
  }
  if (fault.body === 'html') {
    const title = `${fault.status} Bad Gateway`;
    const page = `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n`;
    return {
      status: fault.status,
      headers: { 'content-type': 'text/html', ...headers },
      body: Buffer.from(page),
    };
  }
  const seconds = Number(fault.retryAfter);
  const detail = {
    ...(fault.reason === undefined ? {} : quotaDetails[family]),
    ...(fault.message === undefined ? {} : { message: fault.message }),
    ...(fault.type === undefined ? {} : { type: fault.type }),
    ...(fault.code === undefined ? {} : { code: fault.code }),
    ...(seconds > 0 ? { retryAfterSeconds: seconds } : {}),
  };
  return toErrorReply(exchange, family, fault.status, detail, headers);
}
