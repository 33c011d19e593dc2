import { Buffer } from 'node:buffer';
import type { Call } from '../../call.ts';
import { readMember } from '../../json/scan.ts';

/** Whether a call brings tools for the model to use. */
export function hasTools({ members, body }: Call): boolean {
  for (const name of ['tools', 'functions']) {
    const member = members?.get(name);
    if (member?.kind !== 'array') continue;
    for (let index = member.valueStart + 1; index < member.valueEnd - 1; index++) {
      if ((body[index] as number) > 0x20) return true;
    }
  }
  return false;
}

const found = new WeakMap<Call, boolean>();

/** Whether a call contains images. Forms that edit images do. */
export function hasImages(call: Call): boolean {
  let known = found.get(call);
  if (known === undefined) {
    known = call.members ? looksLikeImages(call) && findImages(call) : call.endpoint.operation === 'image';
    found.set(call, known);
  }
  return known;
}

/** Every body with an image contains one of these, quotes included: in a text, the quotes are escaped. */
const signs = [
  '"image_url"',
  '"input_image"',
  '"image"',
  '"inlineData"',
  '"inline_data"',
  '"fileData"',
  '"file_data"',
];

function looksLikeImages({ body }: Call): boolean {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return signs.some((sign) => bytes.includes(sign, 0, 'latin1'));
}

const carriers = ['messages', 'input', 'contents', 'system', 'requests'] as const;

function findImages({ members, body }: Call): boolean {
  return carriers.some((name) => members?.has(name) && hasImagePart(readMember(body, members, name)));
}

const imageTypes = new Set(['image_url', 'input_image', 'image']);

/** Walks content as the dialects nest it. `relay.maxDepth` bounds the depth of bodies. */
function hasImagePart(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasImagePart);
  if (typeof value !== 'object' || value === null) return false;
  const part = value as Record<string, unknown>;
  if (typeof part.type === 'string' && imageTypes.has(part.type)) return true;
  const data = (part.inlineData ?? part.inline_data ?? part.fileData ?? part.file_data) as
    | Record<string, unknown>
    | undefined;
  if (typeof data === 'object' && data !== null) {
    const type = data.mimeType ?? data.mime_type;
    if (typeof type === 'string' && type.startsWith('image/')) return true;
  }
  // only where content is: tool arguments may look like anything
  return [part.content, part.parts, part.contents, part.output, part.params, part.messages].some(
    hasImagePart,
  );
}
