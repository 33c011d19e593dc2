import { Agent, type IncomingHttpHeaders, request } from 'node:http';

/** What a caller got. */
export interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the reply ended as HTTP says that it does. */
  readonly isEnded: boolean;
  /** From the request being sent to the head of the reply. */
  readonly headMs: number;
  readonly totalMs: number;
}

/** One request, as any client would send it. */
export interface Ask {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Leaves when it holds. */
  readonly leaveWhen?: (received: Buffer) => boolean;
}

/** Sends requests over connections that are kept. */
export interface Client {
  send(ask: Ask): Promise<Got>;
  close(): void;
}

const patienceMs = 60_000;

/** A client of plain node:http: it repeats nothing, and hides nothing. */
export function createClient(maxSockets = 64): Client {
  const agent = new Agent({ keepAlive: true, maxSockets });
  return {
    send: ({ url, headers, body, leaveWhen }) =>
      new Promise((resolve, reject) => {
        const startedMs = performance.now();
        const sent = request(
          url,
          { method: 'POST', agent, headers: { 'content-type': 'application/json', ...headers } },
          (reply) => {
            const headMs = performance.now() - startedMs;
            const chunks: Buffer[] = [];
            const finish = () => {
              clearTimeout(timer);
              resolve({
                ...{ status: reply.statusCode ?? 0, headers: reply.headers, body: Buffer.concat(chunks) },
                ...{ isEnded: reply.complete, headMs, totalMs: performance.now() - startedMs },
              });
            };
            reply.on('data', (chunk: Buffer) => {
              chunks.push(chunk);
              if (leaveWhen?.(Buffer.concat(chunks))) sent.destroy();
            });
            reply.on('error', () => undefined);
            reply.on('close', finish);
          },
        );
        const timer = setTimeout(() => {
          sent.destroy();
          reject(new Error(`No answer within ${patienceMs / 1_000} s.`));
        }, patienceMs);
        sent.on('error', (error) => {
          clearTimeout(timer);
          reject(error);
        });
        sent.end(body);
      }),
    close: () => agent.destroy(),
  };
}
