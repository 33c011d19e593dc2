import { elementSpans } from '../json/elements.ts';
import { type JsonObjectIndex, readMember, scanJsonObject } from '../json/scan.ts';

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
