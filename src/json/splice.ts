import { Buffer } from 'node:buffer';
import type { JsonMember, JsonObjectIndex } from './object-index.ts';

/** Bytes to replace: those from `start` up to `end` give way to `bytes`. An insertion has `start === end`. */
export interface JsonEdit {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/**
 * A copy of `body` with the edits applied and every other byte as it was. Edits may come in any order; insertions at
 * one place are made in the order given. Without edits, returns `body` itself.
 *
 * @throws TypeError when an edit lies outside the body or two edits overlap.
 * @example
 * const index = scanJsonObject(body);
 * const forwarded = spliceJson(body, [setMember(index, 'model', 'gpt-5.1'), ...stripByteOrderMark(index)]);
 */
export function spliceJson(body: Uint8Array, edits: readonly JsonEdit[]): Uint8Array {
  if (edits.length === 0) return body;
  const sorted = [...edits].sort((one, other) => one.start - other.start || one.end - other.end);
  let size = body.length;
  let reached = 0;
  for (const { start, end, bytes } of sorted) {
    if (!(start >= reached && end >= start && end <= body.length)) {
      throw new TypeError(
        `spliceJson: the edit from ${start} to ${end} overlaps another or lies outside the body`,
      );
    }
    reached = end;
    size += bytes.length - (end - start);
  }
  const result = Buffer.allocUnsafe(size);
  let from = 0;
  let to = 0;
  for (const { start, end, bytes } of sorted) {
    result.set(body.subarray(from, start), to);
    to += start - from;
    result.set(bytes, to);
    to += bytes.length;
    from = end;
  }
  result.set(body.subarray(from), to);
  return result;
}

/**
 * The edit that gives the root object a member `key` with this value: it replaces the value if the member is there, and
 * adds the member at the end of the object if it is not. To add several members, use `setMembers`.
 *
 * @throws TypeError when JSON cannot express `value`, such as `undefined` or a function.
 */
export function setMember(index: JsonObjectIndex, key: string, value: unknown): JsonEdit {
  const text = toText(key, value);
  const member = index.get(key);
  if (member !== undefined)
    return { start: member.valueStart, end: member.valueEnd, bytes: Buffer.from(text) };
  return insertion(index, `${JSON.stringify(key)}:${text}`);
}

/**
 * The edits that give the root object all these members, as `setMember` does for one.
 *
 * @throws TypeError when JSON cannot express a value, such as `undefined` or a function.
 */
export function setMembers(index: JsonObjectIndex, values: Readonly<Record<string, unknown>>): JsonEdit[] {
  const edits: JsonEdit[] = [];
  const added: string[] = [];
  for (const [key, value] of Object.entries(values)) {
    if (index.has(key)) edits.push(setMember(index, key, value));
    else added.push(`${JSON.stringify(key)}:${toText(key, value)}`);
  }
  if (added.length > 0) edits.push(insertion(index, added.join(',')));
  return edits;
}

/**
 * The edits that remove members of the root object, with one comma each. None for members that are not there; and none
 * at all when no member would be left, since an emptied object takes no insertions.
 */
export function removeMembers(index: JsonObjectIndex, keys: ReadonlySet<string>): JsonEdit[] {
  const members = index.keys().map((key) => index.get(key) as JsonMember);
  if (members.every(({ key }) => keys.has(key))) return [];
  const edits: JsonEdit[] = [];
  for (let at = 0; at < members.length; at++) {
    if (!keys.has((members[at] as JsonMember).key)) continue;
    const first = at;
    while (at + 1 < members.length && keys.has((members[at + 1] as JsonMember).key)) at++;
    const next = members[at + 1];
    // up to the next member; for the last one, from the end of the one before
    const start = next
      ? (members[first] as JsonMember).keyStart
      : (members[first - 1] as JsonMember).valueEnd;
    const end = next ? next.keyStart : (members[at] as JsonMember).valueEnd;
    edits.push({ start, end, bytes: new Uint8Array(0) });
  }
  return edits;
}

/** The edit that removes a leading byte order mark, or none when there is no mark. */
export function stripByteOrderMark(index: JsonObjectIndex): JsonEdit[] {
  return index.bodyStart === 0 ? [] : [{ start: 0, end: index.bodyStart, bytes: new Uint8Array(0) }];
}

function insertion(index: JsonObjectIndex, members: string): JsonEdit {
  const { isEmpty, objectStart, objectEnd } = index;
  // In an empty object the opening brace is part of the edit, so that two of them overlap and are refused: put side by
  // side they would lack a comma.
  if (isEmpty) return { start: objectStart, end: objectStart + 1, bytes: Buffer.from(`{${members}`) };
  return { start: objectEnd, end: objectEnd, bytes: Buffer.from(`,${members}`) };
}

function toText(key: string, value: unknown): string {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`the value of ${JSON.stringify(key)} is not a JSON value`);
  return text;
}
