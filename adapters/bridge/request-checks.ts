import { GatewayError, type HeaderMap } from 'headgate';

// What every adapter checks before the core looks at a request. No node: imports here, fetch.ts uses it too.

/** Host as in RFC 9110 §7.2, without the sub-delimiters that proxies in front disagree about. */
const validHost = /^(?:\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::\d{1,5})?$/i;

/** Callers of one server nearly always name the same host. */
let lastValid: string | undefined;

/** A request target must be a path: an absolute URL names a second host that nobody checked. */
export function refuseTarget(method: string, url: string): GatewayError | undefined {
  if (url.charCodeAt(0) === 47 || (url === '*' && method === 'OPTIONS')) return undefined;
  return new GatewayError('malformed_request', 'The request target must be a path that starts with "/".');
}

/** For a host that is not a host name or address, with or without a port. */
export function refuseHost(host: string | undefined): GatewayError | undefined {
  if (host === undefined || host === lastValid) return undefined;
  if (validHost.test(host)) {
    lastValid = host;
    return undefined;
  }
  return new GatewayError('malformed_request', 'The Host header is not a valid host name.');
}

/** For more header lines than any client sends. */
export function refuseHeaderCount(count: number, maxHeaders: number): GatewayError | undefined {
  if (count <= maxHeaders) return undefined;
  return new GatewayError('malformed_request', `The request has more than ${maxHeaders} header fields.`);
}

/** More than one Host line, or an `:authority` beside a Host that differs: proxies in front may have used either. */
export const severalHosts = (): GatewayError =>
  new GatewayError('malformed_request', 'The request names more than one host.');

/** HTTP/1.0 has no transfer-encoding (RFC 9112 §6.1): by another rule, a reader finds another request in the body. */
export const chunkedTooEarly = (): GatewayError =>
  new GatewayError('malformed_request', 'A request of HTTP/1.0 can not have a transfer-encoding.');

/** Value of `content-length`, or -1 when the caller did not say. */
export function toDeclaredLength(headers: HeaderMap): number {
  const value = headers['content-length'];
  if (typeof value !== 'string' || value === '' || value.length > 15) return -1;
  let length = 0;
  for (let index = 0; index < value.length; index++) {
    const digit = value.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

/** Whether a body follows in HTTP/1.1 (RFC 9112 §6.3); in HTTP/2 the headers need not say. */
export function announcesBody(headers: HeaderMap): boolean {
  return headers['transfer-encoding'] !== undefined || toDeclaredLength(headers) > 0;
}

/** A compressed body would have to be inflated before it can be read or bounded; no client sends one unasked. */
export function refuseEncoding(headers: HeaderMap): GatewayError | undefined {
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding === '' || String(encoding).toLowerCase() === 'identity')
    return undefined;
  return new GatewayError('unsupported_media_type', 'Send the body without a content-encoding.');
}

/** Whether a body parser of the host may have read JSON; also true if no type is given. */
export function isJson(headers: HeaderMap): boolean {
  const type = headers['content-type'];
  return type === undefined || /^application\/(?:[a-z0-9.+-]+\+)?json\s*(?:;|$)/i.test(String(type));
}

/** A body that is declared, or turns out, to be longer than `maxBytes`: a 413. */
export const bodyTooLarge = (maxBytes: number): GatewayError =>
  new GatewayError('body_too_large', `The request body is larger than ${maxBytes} bytes.`);

/** A body that is incomplete `timeoutMs` after reading began: a 408. */
export const bodyTimeout = (timeoutMs: number): GatewayError =>
  new GatewayError('body_timeout', `The request body did not arrive within ${timeoutMs} ms.`);

/** A caller who left before the reply was whole; nobody is left to answer. Signals are aborted with it. */
export const callerGone = (cause?: unknown): GatewayError =>
  new GatewayError('caller_gone', 'The caller closed the connection.', cause === undefined ? {} : { cause });

/**
 * A body whose bytes the host has read and not kept: the host's mistake; the message tells it how to fix that.
 * A 500 that no retry changes.
 */
export const bodyAlreadyRead = (): GatewayError =>
  new GatewayError(
    'body_already_read',
    'The request body was read before the gateway was reached. Mount the gateway before the body parser, or keep ' +
      'the bytes: express.json({ verify: (request, _response, bytes) => { request.rawBody = bytes; } }).',
    { retryable: false },
  );
