import type { NamedModel } from '../call.ts';
import { forEachElement } from '../json/elements.ts';
import {
  type JsonMember,
  type JsonObjectIndex,
  JsonScanError,
  readMember,
  scanJsonObject,
} from '../json/scan.ts';
import { textOf, toBuffer } from '../upstream/bytes.ts';

/** Members of a body that are a request themselves. */
const singles = ['generateContentRequest', 'generate_content_request'] as const;

/** Lists of models that a provider calls by itself: when the first declines, or for a tool of its own. */
const lists = ['fallbacks', 'models', 'tools'] as const;

/** More names than any provider accepts in one. */
const mostNames = 128;

/** The most requests that Anthropic accepts in a batch. */
const mostItems = 100_000;

/**
 * The models that a body names besides its own `model`, and where. In requests within a request: `requests[].model`,
 * `requests[].params.model`, `generateContentRequest.model`. There and at the root, for the provider to call itself:
 * `fallbacks[].model` (Anthropic), `models[]` (OpenRouter), `tools[].model` (Anthropic's advisor, OpenAI's images).
 *
 * @throws JsonScanError if one of them has a member twice, or a list is longer than any provider accepts
 */
export function nestedModels(body: Uint8Array, members: JsonObjectIndex): NamedModel[] {
  const found: NamedModel[] = [];
  collectLists(body, members, 0, found);
  for (const name of singles) collectRequest(body, members.get(name), 0, found);
  forEachItem(body, members.get('requests'), (request, offset) => {
    if (request[0] !== openingBrace) return;
    const inner = collectModels(request, offset, found);
    collectRequest(request, inner.get('params'), offset, found);
  });
  return found;
}

const openingBrace = 0x7b;
const quote = 0x22;

function collectRequest(
  body: Uint8Array,
  member: JsonMember | undefined,
  offset: number,
  found: NamedModel[],
): void {
  if (member?.kind !== 'object') return;
  collectModels(body.subarray(member.valueStart, member.valueEnd), offset + member.valueStart, found);
}

function collectModels(request: Uint8Array, offset: number, found: NamedModel[]): JsonObjectIndex {
  const members = scanJsonObject(request);
  collectModel(request, members, offset, 'model', found);
  collectLists(request, members, offset, found);
  return members;
}

function collectModel(
  body: Uint8Array,
  members: JsonObjectIndex,
  offset: number,
  path: string,
  found: NamedModel[],
): void {
  const member = members.get('model');
  if (member?.kind !== 'string') return;
  const model = readMember(body, members, 'model') as string;
  found.push({ start: offset + member.valueStart, end: offset + member.valueEnd, model, path });
}

function collectLists(body: Uint8Array, members: JsonObjectIndex, offset: number, found: NamedModel[]): void {
  for (const name of lists) {
    const list = members.get(name);
    if (list === undefined) continue;
    if (name === 'tools' && !mayName.test(textOf(body.subarray(list.valueStart, list.valueEnd)))) continue;
    // of a batch, many requests may have a full list
    const most = Math.min(found.length + mostNames, mostItems);
    forEachItem(body, list, (item, at) => {
      const start = offset + at;
      if (item[0] === openingBrace) collectModel(item, scanJsonObject(item), start, `${name}.model`, found);
      else if (name !== 'tools')
        found.push({
          start,
          end: start + item.length,
          model: JSON.parse(toBuffer(item).toString()),
          path: name,
        });
      if (found.length > most)
        throw new JsonScanError(
          'too_many_keys',
          at,
          `"${name}" names more than ${mostNames} models, or the body more than ${mostItems}.`,
        );
    });
  }
}

/** Most tools name none, and are long. Only a client that wants to hide its model spells a letter as an escape. */
const mayName = /"model"\s*:\s*"|\\u006/;

/** Visits only objects and strings. */
function forEachItem(
  body: Uint8Array,
  member: JsonMember | undefined,
  visit: (item: Uint8Array, offset: number) => void,
): void {
  if (member?.kind !== 'array') return;
  let items = 0;
  forEachElement(body, member, (start, end) => {
    const first = body[start];
    if (first === openingBrace || first === quote) visit(body.subarray(start, end), start);
    items++;
    if (items > mostItems)
      throw new JsonScanError('too_many_keys', start, `"${member.key}" has more than ${mostItems} items.`);
    return true;
  });
}
