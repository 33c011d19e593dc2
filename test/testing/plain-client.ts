import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';

export interface Result {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  text: string;
  pieces: number;
  /** The code of the error that ended the body early. */
  error?: string | undefined;
}

/** One request to `url` on a connection of its own, with node:http; collects what arrives even when it breaks off. */
async function send(
  url: string,
  body: unknown,
  path = '/v1/chat/completions',
  headers: Record<string, string> = {},
): Promise<Result> {
  const call = httpRequest(`${url}${path}`, { method: 'POST', agent: false, headers });
  call.end(JSON.stringify(body));
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  // A reset reaches the request, too; what matters here is what the response saw.
  call.on('error', () => undefined);
  const chunks: Buffer[] = [];
  let error: string | undefined;
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
    }
  } catch (cause) {
    error = (cause as NodeJS.ErrnoException).code;
  }
  const whole = Buffer.concat(chunks);
  const { statusCode = 0 } = response;
  return {
    status: statusCode,
    headers: response.headers,
    body: whole,
    text: whole.toString(),
    pieces: chunks.length,
    error,
  };
}

/** The bytes that a raw connection receives until the upstream closes it, or until `isEnough`. */
async function sendRaw(
  url: string,
  body: unknown,
  isEnough = (_: string) => false,
): Promise<{ text: string; error?: string }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const payload = JSON.stringify(body);
  const length = Buffer.byteLength(payload);
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n${payload}`,
  );
  let text = '';
  try {
    for await (const chunk of socket) {
      text += (chunk as Buffer).toString('latin1');
      if (isEnough(text)) {
        break;
      }
    }
    return { text };
  } catch (cause) {
    return { text, error: (cause as NodeJS.ErrnoException).code ?? 'unknown' };
  } finally {
    socket.destroy();
  }
}

/** The text that the deltas of a chat stream carry. */
export function contentOf(text: string): string {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.startsWith('data: {'));
  return lines.map((line) => JSON.parse(line.slice(6)).choices?.[0]?.delta?.content ?? '').join('');
}

/** `send` and `sendRaw` bound to one upstream. */
export function createPlainClient(url: string) {
  return {
    send: (body: unknown, path?: string, headers?: Record<string, string>) => send(url, body, path, headers),
    sendRaw: (body: unknown, isEnough?: (text: string) => boolean) => sendRaw(url, body, isEnough),
  };
}
