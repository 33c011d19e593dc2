import { Buffer } from 'node:buffer';
import type { Affinity } from '../config/snapshot.ts';
import { elementSpans } from '../json/elements.ts';
import { type JsonMember, readMember } from '../json/scan.ts';
import { estimateInputTokens } from '../limits/estimate.ts';
import type { RoutingContext } from './rules/facts.ts';

type Context = Pick<RoutingContext, 'request' | 'call' | 'principal'>;

/**
 * What keeps a request at the target that others of its kind went to: the first of these that it has. Undefined when it
 * has none: it may go anywhere.
 */
export function affinityOf(kinds: readonly Affinity[], context: Context): string | undefined {
  for (const kind of kinds) {
    const value = find[kind](context);
    if (value !== undefined) return `${kind}:${value}`;
  }
  return undefined;
}

const find: Record<Affinity, (context: Context) => string | undefined> = {
  session: sessionOf,
  cache: cacheOf,
  user: ({ principal }) => principal.user,
  key: ({ principal }) => principal.key,
};

/** Header fields in which clients name the session or run that a request is part of. */
const sessionHeaders = [
  'x-headgate-session',
  'x-headgate-run',
  'x-claude-code-session-id',
  'x-session-id',
  'session-id',
  'session_id',
  'conversation_id',
];
const longest = 1_024;

function sessionOf({ request, call }: Context): string | undefined {
  for (const name of sessionHeaders) {
    const value = request.headers[name];
    if (typeof value === 'string' && value.length > 0 && value.length <= longest) return value;
  }
  const { members, body, endpoint } = call;
  if (!members) return undefined;
  if (endpoint.family === 'anthropic') return sessionInUser(call);
  if (endpoint.operation !== 'response') return undefined;
  const conversation = members.get('conversation');
  if (!conversation || isLong(conversation)) return undefined;
  const value = readMember(body, members, 'conversation');
  return toText(typeof value === 'object' ? (value as { id?: unknown } | null)?.id : value);
}

/** Claude Code and its SDK write the session into the user's id: in JSON, or behind `_session_`. */
function sessionInUser({ members, body }: Context['call']): string | undefined {
  const metadata = members?.get('metadata');
  if (!members || metadata?.kind !== 'object' || isLong(metadata)) return undefined;
  const user = (readMember(body, members, 'metadata') as { user_id?: unknown }).user_id;
  if (typeof user !== 'string') return undefined;
  return /"session_id"\s*:\s*"([^"\\]{1,256})"/.exec(user)?.[1] ?? /_session_([\w-]{1,256})$/.exec(user)?.[1];
}

/** Below so many tokens no provider caches a prompt: there is nothing to come back to. */
const leastCachedTokens = 1_024;
/** No request of so few bytes has so many tokens. */
const leastCachedBytes = 1_024;

/** The key that the caller gives its prompt, or how the prompt begins where it is long enough to be cached. */
function cacheOf({ call }: Context): string | undefined {
  const { members, body } = call;
  if (!members) return undefined;
  const key = members.get('prompt_cache_key');
  if (key?.kind === 'string' && !isLong(key)) {
    const given = toText(readMember(body, members, 'prompt_cache_key'));
    if (given !== undefined) return given;
  }
  if (body.length < leastCachedBytes || estimateInputTokens(call) < leastCachedTokens) return undefined;
  const turns = ['messages', 'input', 'contents', 'prompt'].map((name) => members.get(name)).find(Boolean);
  if (!turns) return undefined;
  const instructions = ['system', 'instructions', 'systemInstruction', 'system_instruction']
    .map((name) => members.get(name))
    .find(Boolean);
  const head = instructions ? sampleOf(body, instructions.valueStart, instructions.valueEnd) : '';
  return `${head}\n${firstTurn(body, turns)}`;
}

/** Turns looked at for the first that is no instruction. */
const mostInstructions = 8;
const isInstruction = /"role"\s*:\s*"(?:system|developer)"/;

/** How the first turn begins that is not an instruction: it tells conversations apart, and never changes as they go on. */
function firstTurn(body: Uint8Array, turns: JsonMember): string {
  if (turns.kind !== 'array') return sampleOf(body, turns.valueStart, turns.valueEnd);
  let sample = '';
  for (const { start, end } of elementSpans(body, turns, mostInstructions)) {
    sample += sampleOf(body, start, end);
    const tail = latin1(body, Math.max(start, end - 64), end);
    if (!isInstruction.test(latin1(body, start, Math.min(end, start + 64))) && !isInstruction.test(tail))
      break;
  }
  return sample;
}

const sampleBytes = 1_024;

/** Its first bytes, without the marks that callers move from turn to turn. */
function sampleOf(body: Uint8Array, start: number, end: number): string {
  const text = latin1(body, start, Math.min(end, start + sampleBytes));
  return text.includes('"cache_control"') ? text.replace(/,?\s*"cache_control"\s*:\s*\{[^}]*\}/g, '') : text;
}

function latin1(body: Uint8Array, start: number, end: number): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1', start, end);
}

function isLong({ valueStart, valueEnd }: JsonMember): boolean {
  return valueEnd - valueStart > 8_192;
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' && value.length > 0 && value.length <= longest ? value : undefined;
}
