import type { NamedModel } from '../call.ts';
import { elementSpans } from '../json/elements.ts';
import { type JsonObjectIndex, readMember, scanJsonObject } from '../json/scan.ts';
import { textOf, toBuffer } from './bytes.ts';

/** The model that a request within a request names, and where. */
export interface NestedModel {
  readonly start: number;
  readonly end: number;
  readonly model: string;
}

/** Members of a body that are a request themselves. */
const singles = ['generateContentRequest', 'generate_content_request'] as const;

/**
 * The names in requests within a request: `requests[].model`, `requests[].params.model`, `generateContentRequest.model`.
 *
 * @throws JsonScanError where one of them has a member twice
 */
export function nestedModels(body: Uint8Array, members: JsonObjectIndex): NestedModel[] {
  const found: NestedModel[] = [];
  const requests = members.get('requests');
  const spans = requests?.kind === 'array' ? elementSpans(body, requests) : [];
  for (const name of singles) {
    const single = members.get(name);
    if (single?.kind === 'object') spans.push({ start: single.valueStart, end: single.valueEnd });
  }
  for (const { start, end } of spans) {
    if (body[start] === openingBrace) collectModel(body.subarray(start, end), start, found);
  }
  return found;
}

const openingBrace = 0x7b;
const quote = 0x22;

const helping = ['fallbacks', 'tools', 'models'] as const;

/**
 * The models that a provider asks when the first one declines, or for a tool of its own: `fallbacks[].model` (Anthropic),
 * `tools[].model` (Anthropic's advisor, OpenAI's images), `models[]` (OpenRouter); in a batch, those of its requests.
 *
 * @throws JsonScanError where an item has a member twice
 */
export function helpingModels(body: Uint8Array, members: JsonObjectIndex): NamedModel[] {
  const found: NamedModel[] = [];
  collectHelping(body, members, 0, found);
  const requests = members.get('requests');
  for (const { start, end } of requests?.kind === 'array' ? elementSpans(body, requests) : []) {
    if (body[start] !== openingBrace) continue;
    const request = body.subarray(start, end);
    const params = scanJsonObject(request).get('params');
    if (params?.kind !== 'object') continue;
    const inner = request.subarray(params.valueStart, params.valueEnd);
    collectHelping(inner, scanJsonObject(inner), start + params.valueStart, found);
  }
  return found;
}

function collectHelping(
  body: Uint8Array,
  members: JsonObjectIndex,
  offset: number,
  found: NamedModel[],
): void {
  for (const name of helping) {
    const member = members.get(name);
    if (member?.kind !== 'array') continue;
    if (name === 'tools' && !mayName.test(textOf(body.subarray(member.valueStart, member.valueEnd))))
      continue;
    for (const { start, end } of elementSpans(body, member)) {
      const item = body.subarray(start, end);
      const at = offset + start;
      if (item[0] === openingBrace) {
        const own: NestedModel[] = [];
        collectModel(item, at, own, true);
        found.push(...own.map((model) => ({ ...model, path: `${name}.model` })));
      } else if (item[0] === quote) {
        found.push({
          start: at,
          end: offset + end,
          model: JSON.parse(toBuffer(item).toString()),
          path: name,
        });
      }
    }
  }
}

/** Most tools name none, and are long. No client spells a letter as an escape, but one that wants its model not to be found. */
const mayName = /"model"\s*:\s*"|\\u006/;

function collectModel(request: Uint8Array, offset: number, found: NestedModel[], isInner = false): void {
  const members = scanJsonObject(request);
  const model = members.get('model');
  if (model?.kind === 'string') {
    const name = readMember(request, members, 'model') as string;
    found.push({ start: offset + model.valueStart, end: offset + model.valueEnd, model: name });
  }
  const params = members.get('params');
  // each level is a scan of all that is in it
  if (params?.kind === 'object' && !isInner) {
    const inner = request.subarray(params.valueStart, params.valueEnd);
    collectModel(inner, offset + params.valueStart, found, true);
  }
}
