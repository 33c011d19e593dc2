import { Buffer } from 'node:buffer';
import type { Affinity } from '../config/snapshot.ts';
import type { DialectName } from '../dialects/dialect.ts';
import { forEachElement } from '../json/elements.ts';
import { type JsonMember, type JsonObjectIndex, readMember } from '../json/scan.ts';
import { estimateBody } from '../limits/estimate.ts';
import { hashBytes } from './hash.ts';
import type { RoutingContext } from './rules/facts.ts';

type Context = Pick<RoutingContext, 'request' | 'call' | 'principal'>;

/**
 * What keeps a request at the target that related ones went to: the first of these kinds that it has. Undefined if it
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

/** Headers in which clients name the session or run of a request. */
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

/** Claude Code and its SDK write the session into the user's id: as JSON, or after `_session_`. */
function sessionInUser({ members, body }: Context['call']): string | undefined {
  const metadata = members?.get('metadata');
  if (!members || metadata?.kind !== 'object' || isLong(metadata)) return undefined;
  const user = (readMember(body, members, 'metadata') as { user_id?: unknown }).user_id;
  if (typeof user !== 'string') return undefined;
  return /"session_id"\s*:\s*"([^"\\]{1,256})"/.exec(user)?.[1] ?? /_session_([\w-]{1,256})$/.exec(user)?.[1];
}

/** Below this many tokens no provider caches a prompt: there is nothing to return to. */
const leastCachedTokens = 1_024;
/** No smaller request has that many tokens. */
const leastCachedBytes = 1_024;

/** The caller's key for the prompt, or how the prompt begins if it is long enough to be cached. */
function cacheOf({ call }: Context): string | undefined {
  const { members, body, endpoint } = call;
  if (!members) return undefined;
  const key = members.get('prompt_cache_key');
  if (key?.kind === 'string' && !isLong(key)) {
    const given = toText(readMember(body, members, 'prompt_cache_key'));
    if (given !== undefined) return given;
  }
  if (body.length < leastCachedBytes) return undefined;
  const { inputTokens, cacheWrite } = estimateBody(call);
  if (inputTokens < leastCachedTokens) return undefined;
  const { turns: names, instructions: instructionNames } = prompts[endpoint.dialect];
  const turns = firstOf(members, names);
  if (!turns) return undefined;
  const instructions = firstOf(members, instructionNames);
  // only callers who ask for cache writes mark what to cache
  const sampler = new Sampler(body, cacheWrite !== undefined);
  if (instructions) sampler.add(instructions.valueStart, instructions.valueEnd);
  addFirstTurn(sampler, body, turns);
  return String(sampler.hash);
}

/** Where each dialect has its prompt. */
const prompts: Readonly<
  Record<DialectName, { readonly turns: readonly string[]; readonly instructions: readonly string[] }>
> = {
  'openai-chat': { turns: ['messages'], instructions: [] },
  'openai-completions': { turns: ['prompt'], instructions: [] },
  'openai-responses': { turns: ['input'], instructions: ['instructions'] },
  openai: { turns: ['input', 'prompt'], instructions: [] },
  'anthropic-messages': { turns: ['messages'], instructions: ['system'] },
  gemini: { turns: ['contents'], instructions: ['systemInstruction', 'system_instruction'] },
};

function firstOf(members: JsonObjectIndex, names: readonly string[]): JsonMember | undefined {
  for (const name of names) {
    const member = members.get(name);
    if (member) return member;
  }
  return undefined;
}

/** Turns searched for the first that is not an instruction. */
const mostInstructions = 8;

/** Adds the turns up to the first non-instruction, which tells conversations apart and never changes as they go on. */
function addFirstTurn(sampler: Sampler, body: Uint8Array, turns: JsonMember): void {
  if (turns.kind !== 'array') {
    sampler.add(turns.valueStart, turns.valueEnd);
    return;
  }
  let left = mostInstructions;
  forEachElement(body, turns, (start, end) => {
    sampler.add(start, end);
    return --left > 0 && isInstruction(body, start, end);
  });
}

const instructed = /"role"\s*:\s*"(?:system|developer)"/;

/** Whether a turn is an instruction. Its role is at one of its ends, nearly always at the start. */
function isInstruction(body: Uint8Array, start: number, end: number): boolean {
  const head = latin1(body, start, Math.min(end, start + 64));
  if (head.includes('"role"')) return instructed.test(head);
  return instructed.test(latin1(body, Math.max(start, end - 64), end));
}

/** How much of the start of the instructions, and of each turn looked at, is hashed. */
const sampleBytes = 960;
/** How much is read to have that much without callers' cache marks. */
const windowBytes = 1_152;

/** One hash of the starts of several parts of a body, without the cache marks that callers move from turn to turn. */
class Sampler {
  hash = 0;
  readonly #body: Uint8Array;
  readonly #words: DataView;
  readonly #hasMarks: boolean;

  constructor(body: Uint8Array, hasMarks: boolean) {
    this.#body = body;
    this.#words = new DataView(body.buffer, body.byteOffset, body.byteLength);
    this.#hasMarks = hasMarks;
  }

  add(start: number, end: number): void {
    if (this.#hasMarks) {
      const text = latin1(this.#body, start, Math.min(end, start + windowBytes));
      if (text.includes('"cache_control"')) {
        const left = Buffer.from(text.replace(/,?\s*"cache_control"\s*:\s*\{[^}]*\}/g, ''), 'latin1');
        const words = new DataView(left.buffer, left.byteOffset, left.byteLength);
        this.hash = hashBytes(words, 0, Math.min(left.length, sampleBytes), this.hash);
        return;
      }
    }
    this.hash = hashBytes(this.#words, start, Math.min(end, start + sampleBytes), this.hash);
  }
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
