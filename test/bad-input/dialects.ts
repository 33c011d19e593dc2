import type { GatewayReply, HeaderMap } from 'headgate';
import { readText } from '../harness.ts';

type Send = (
  path: string,
  body?: unknown,
  more?: { headers?: HeaderMap; key?: string; method?: string },
) => Promise<GatewayReply>;

/** One endpoint of each dialect: how to say something ordinary in it, and what its errors look like. */
export interface DialectCase {
  readonly dialect: 'openai' | 'anthropic' | 'gemini';
  readonly path: string;
  readonly headers: HeaderMap;
  /** Members of an ordinary body. */
  readonly body: Record<string, unknown>;
  /** The field that bounds the output, and where it stands. */
  readonly withMaxTokens: (json: string) => string;
  /** The code or type in an error body. */
  readonly codeOf: (body: unknown) => string;
}

// biome-ignore lint/suspicious/noExplicitAny: error bodies of every shape are looked into
type Any = any;

const text = (body: object) => JSON.stringify(body).slice(1, -1);
const openai = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'hello' }] };
const anthropic = { model: 'claude-sonnet', messages: [{ role: 'user', content: 'hello' }] };
const gemini = { contents: [{ parts: [{ text: 'hello' }] }] };

export const dialects: readonly DialectCase[] = [
  {
    dialect: 'openai',
    path: '/v1/chat/completions',
    headers: {},
    body: openai,
    withMaxTokens: (json) => `{${text(openai)},"max_tokens":${json}}`,
    codeOf: (body) => (body as Any).error.code,
  },
  {
    dialect: 'anthropic',
    path: '/v1/messages',
    headers: { 'anthropic-version': '2023-06-01' },
    body: { ...anthropic, max_tokens: 20 },
    withMaxTokens: (json) => `{${text(anthropic)},"max_tokens":${json}}`,
    codeOf: (body) => (body as Any).error.type,
  },
  {
    dialect: 'gemini',
    path: '/v1beta/models/gemini-flash:generateContent',
    headers: {},
    body: gemini,
    withMaxTokens: (json) => `{${text(gemini)},"generationConfig":{"maxOutputTokens":${json}}}`,
    codeOf: (body) => (body as Any).error.details[0].reason.toLowerCase(),
  },
];

/** Sends a body in a dialect; status and what the error says. */
export async function ask(
  send: Send,
  one: DialectCase,
  body: unknown,
  more: { headers?: HeaderMap; key?: string; query?: string } = {},
) {
  const reply = await send(one.path + (more.query ? `?${more.query}` : ''), body, {
    ...more,
    headers: { ...one.headers, ...more.headers },
  });
  const shown = await readText(reply);
  const parsed: unknown = JSON.parse(shown);
  return { status: reply.status, code: reply.status < 400 ? '' : one.codeOf(parsed), text: shown, reply };
}

/** What Anthropic's error types call our codes. */
const anthropicTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  415: 'invalid_request_error',
  422: 'invalid_request_error',
};

/** The code that a dialect gives to one of ours. */
export function codeIn(one: DialectCase, status: number, code: string): string {
  if (one.dialect === 'anthropic') return anthropicTypes[status] ?? code;
  return one.dialect === 'openai' && code === 'invalid_key' ? 'invalid_api_key' : code;
}
