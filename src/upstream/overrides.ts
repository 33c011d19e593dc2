import type { Call } from '../call.ts';
import type { Operation } from '../dialects/endpoint.ts';
import { type JsonEdit, removeMembers, setMembers } from '../json/splice.ts';

/** Operations that count tokens of a request, or carry many, refuse fields that the request itself takes. */
const apart: ReadonlySet<Operation> = new Set([
  'message-count-tokens',
  'count-tokens',
  'response-input-tokens',
  'message-batch-create',
]);

/** The edits that apply a target's overrides to a body. None for bodies that are not JSON, counts and batches. */
export function overrideBody(
  { members, endpoint }: Call,
  body: Readonly<Record<string, unknown>>,
): JsonEdit[] {
  if (!members || members.isEmpty || apart.has(endpoint.operation)) return [];
  const fields = Object.entries(body);
  const given = fields.filter(([, value]) => value !== null);
  const removed = fields.filter(([, value]) => value === null).map(([name]) => name);
  return [
    ...setMembers(members, Object.fromEntries(given)),
    ...(removed.length > 0 ? removeMembers(members, new Set(removed)) : []),
  ];
}

/** Header fields, with overrides in place of those of the same name. */
export function overrideHeaders(
  headers: readonly string[],
  overrides: Readonly<Record<string, string>>,
): string[] {
  const changed: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] as string;
    if (!Object.hasOwn(overrides, name)) changed.push(name, headers[at + 1] as string);
  }
  for (const [name, value] of Object.entries(overrides)) changed.push(name, value);
  return changed;
}
