import type { Gateway } from '../../../src/gateway.ts';
import type { GatewayRequest } from '../../../src/message.ts';
import { type Dialect, dialects } from '../faults/dialects.ts';
import { answerText } from '../faults/run-case.ts';

/** One request of the soak, as its caller saw it. */
export interface Asked {
  readonly arrivedMs: number;
  readonly isAnswered: boolean;
  /** What it ended with otherwise. */
  readonly failure: string;
}

const dialect = dialects[0] as Dialect;
const texts = [false, true].map((stream) =>
  Buffer.from(JSON.stringify(dialect.toRequest('the-model', stream).body)),
);

/** Asks until so many requests are done, some at once, half of them streams. */
export async function runLoad(
  gateway: Gateway,
  key: string,
  requests: number,
  atOnce: number,
): Promise<{ readonly asked: Asked[]; readonly truncated: number }> {
  const asked: Asked[] = [];
  let truncated = 0;
  let next = 0;
  const ask = async (index: number): Promise<void> => {
    const stream = index % 2 === 0;
    const body = texts[Number(stream)] as Buffer;
    const arrivedMs = performance.now();
    const request: GatewayRequest = {
      ...{ method: 'POST', path: '/v1/chat/completions', query: '', signal: new AbortController().signal },
      headers: { host: 'x', 'content-type': 'application/json', authorization: `Bearer ${key}` },
      readBody: async () => body,
    };
    let failure = '';
    let waitSeconds = 0;
    try {
      const reply = await gateway.handle(request);
      const chunks: Uint8Array[] = [];
      if (reply.body instanceof Uint8Array) chunks.push(reply.body);
      else for await (const chunk of reply.body) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      if (reply.status !== 200) {
        failure = `status ${reply.status}`;
        waitSeconds = Number(reply.headers['retry-after'] ?? 0);
      } else if (stream) {
        const read = dialect.readStream(bytes);
        if (read.errors.length > 0) failure = 'error in the stream';
        else if (!read.isWhole || read.text !== answerText) {
          failure = 'truncated';
          truncated++;
        }
      } else if (dialect.textOfReply(JSON.parse(bytes.toString())) !== answerText) {
        failure = 'truncated';
        truncated++;
      }
    } catch (error) {
      failure = `threw ${(error as Error).message}`;
    }
    // as every library does: who is told when to come back does not ask a thousand times before
    if (waitSeconds > 0)
      await new Promise((resolve) => setTimeout(resolve, Math.min(waitSeconds, 2) * 1_000));
    asked.push({ arrivedMs, isAnswered: failure === '', failure });
  };
  const work = async () => {
    while (next < requests) await ask(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { asked, truncated };
}
