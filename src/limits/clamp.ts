import type { Call } from '../call.ts';
import { type JsonObjectIndex, readMember, scanJsonObject } from '../json/scan.ts';
import { type JsonEdit, setMember } from '../json/splice.ts';
import type { Usage } from '../message.ts';
import type { Applied, LimitScope } from './apply.ts';
import { mostTokens } from './count-tokens.ts';
import { choicesOf } from './estimate.ts';
import { mostOfFallbacks } from './fallback-tokens.ts';
import type { ScopeState } from './ledger.ts';
import type { Limit } from './limit.ts';
import { costOf, type Price } from './price.ts';

/** A call whose output the gateway limits further than the caller did. */
export interface ClampedCall extends Call {
  /** The most tokens of each choice. */
  readonly clampedOutputTokens: number;
}

/** Less output than this is of no use to anybody. */
export const leastOutputTokens = 16;

const fields: Partial<Record<Call['endpoint']['operation'], readonly string[]>> = {
  chat: ['max_completion_tokens', 'max_tokens'],
  completion: ['max_tokens'],
  response: ['max_output_tokens'],
  message: ['max_tokens'],
};
const nestedFields = ['maxOutputTokens', 'max_output_tokens'] as const;
const nests = ['generationConfig', 'generation_config'] as const;

/**
 * The call with its output lowered to what its limits leave; undefined when that is too little to be of use, when
 * a limit that does not depend on output is full, and for calls whose output cannot be limited.
 *
 * @param states what the ledger found; undefined to fit the request into the limits themselves
 */
export function clampOutput(
  call: Call,
  { limits, scopes }: Applied,
  states: readonly ScopeState[] | undefined,
  usage: Usage,
  price: Price | undefined,
): ClampedCall | undefined {
  const { members, body } = call;
  if (!members || (!fields[call.endpoint.operation] && call.endpoint.operation !== 'generate-content'))
    return undefined;
  let most = usage.outputTokens ?? 0;
  for (let index = 0; index < limits.length; index++) {
    const { mode, hold, amount } = scopes[index] as LimitScope;
    const state = states?.[index];
    const left = state ? state.amount - state.used - state.held : amount;
    if (mode === 'count' || hold <= left) continue;
    const fits = outputWithin(limits[index] as Limit, left, usage, price);
    if (fits < most) most = fits;
  }
  const choices = choicesOf(call);
  const each = Math.floor(most / choices);
  const least = Math.max(
    leastOutputTokens,
    budgetOfThoughts(body, members) + 1,
    mostOfFallbacks(body, members),
  );
  if (each < least) return undefined;
  return { ...call, maxOutputTokens: each * choices, clampedOutputTokens: each };
}

/** The most output that fits into what is left of a limit besides the input; negative if not even the input fits. */
function outputWithin({ unit, tokens }: Limit, left: number, usage: Usage, price: Price | undefined): number {
  const input = { ...usage, outputTokens: 0 };
  if (unit === 'tokens' && tokens.count !== 'input') {
    return Math.floor((left - mostTokens(tokens, input.inputTokens ?? 0, 0)) / Math.max(1, tokens.reasoning));
  }
  if (unit !== 'usd' || !price || price.output === 0) return -1;
  return Math.floor(((left - costOf(input, price)) * 1_000) / price.output);
}

/** Anthropic refuses a maximum that is not larger than the thinking budget. */
function budgetOfThoughts(body: Uint8Array, members: JsonObjectIndex): number {
  if (members.get('thinking')?.kind !== 'object') return 0;
  const { budget_tokens } = readMember(body, members, 'thinking') as { budget_tokens?: unknown };
  return typeof budget_tokens === 'number' ? budget_tokens : 0;
}

/** The edits that lower a body's output limits, or add the missing one; none for a call that is not clamped. */
export function clampEdits(call: Call): JsonEdit[] {
  const most = (call as Partial<ClampedCall>).clampedOutputTokens;
  const { members, body, endpoint } = call;
  if (most === undefined || !members) return [];
  if (endpoint.operation === 'generate-content') return nestedEdits(body, members, most);
  const names = fields[endpoint.operation] ?? [];
  // null: no limit
  const given = names.filter((name) => (members.get(name)?.kind ?? 'null') !== 'null');
  const lowered = given.filter((name) => (readMember(body, members, name) as number) > most);
  return (given.length > 0 ? lowered : names.slice(0, 1)).map((name) => setMember(members, name, most));
}

function nestedEdits(body: Uint8Array, members: JsonObjectIndex, most: number): JsonEdit[] {
  const edits: JsonEdit[] = [];
  let isLimited = false;
  let open: { readonly offset: number; readonly index: JsonObjectIndex } | undefined;
  for (const nest of nests) {
    const member = members.get(nest);
    if (member?.kind !== 'object') continue;
    const config = body.subarray(member.valueStart, member.valueEnd);
    const index = scanJsonObject(config);
    open ??= { offset: member.valueStart, index };
    for (const name of nestedFields) {
      if (!index.has(name)) continue;
      isLimited = true;
      if ((readMember(config, index, name) as number) > most) {
        edits.push(moved(setMember(index, name, most), member.valueStart));
      }
    }
  }
  if (isLimited) return edits;
  if (open) return [moved(setMember(open.index, nestedFields[0], most), open.offset)];
  return [setMember(members, nests[0], { [nestedFields[0]]: most })];
}

function moved({ start, end, bytes }: JsonEdit, by: number): JsonEdit {
  return { start: start + by, end: end + by, bytes };
}
