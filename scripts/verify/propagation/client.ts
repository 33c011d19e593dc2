import { Pool } from 'undici';
import { nowMs } from './clock.ts';

/** One answer of a gateway. */
export interface Answer {
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  /** HTTP status; 0 when the connection failed. */
  readonly status: number;
  /** Number in the provider secret that the upstream saw; `undefined` when it was not asked. */
  readonly secretNumber: number | undefined;
}

/** A client of one gateway. */
export interface Client {
  ask(key: string, model: string): Promise<Answer>;
  close(): Promise<void>;
}

/** Text of the provider secret with this number. */
export const toSecretText = (number: number): string => `sk-verify-${number}`;

/** Connects to a gateway as an OpenAI client does. */
export function createClient(url: string): Client {
  const pool = new Pool(url, { connections: 64, headersTimeout: 20_000, bodyTimeout: 20_000 });
  return {
    async ask(key, model) {
      const sentAtMs = nowMs();
      const answer = await pool
        .request({
          method: 'POST',
          path: '/v1/chat/completions',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
        })
        .then(async ({ statusCode, body }) => ({ status: statusCode, text: await body.text() }))
        .catch(() => ({ status: 0, text: '' }));
      const digits = /sk-verify-(\d+)/.exec(answer.text)?.[1];
      return {
        sentAtMs,
        receivedAtMs: nowMs(),
        status: answer.status,
        secretNumber: digits === undefined ? undefined : Number(digits),
      };
    },
    close: () => pool.destroy(),
  };
}

/** Whether a key was refused. An address that sends many refused ones is answered 429 in place of 401. */
export function isKeyRefusal(status: number): boolean {
  return status === 401 || status === 429;
}
