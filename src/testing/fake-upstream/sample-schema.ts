import { isObject, toArray, toObject, toText } from './json.ts';

const maxDepth = 12;

const samples = new Map(
  Object.entries({
    city: 'Paris',
    location: 'Paris',
    place: 'Paris',
    command: 'echo ok',
    unit: 'celsius',
    query: 'headgate',
    url: 'https://example.com/',
    email: 'user@example.com',
  }),
);

/** A deterministic value that fits a JSON schema (the parts of it that providers accept). */
export function sampleSchema(schema: unknown, name = 'value', depth = 0): unknown {
  const node = toObject(schema);
  if ('const' in node) {
    return node.const;
  }
  const choices = toArray(node.enum);
  if (choices.length > 0) {
    return choices[0];
  }
  const alternatives = toArray(node.anyOf ?? node.oneOf);
  if (alternatives.length > 0) {
    return sampleSchema(alternatives[0], name, depth + 1);
  }
  const type = Array.isArray(node.type) ? node.type[0] : node.type;
  switch (toText(type)?.toLowerCase()) {
    case 'string':
      return samples.get(name.toLowerCase()) ?? `sample ${name}`;
    case 'integer':
    case 'number':
      return typeof node.minimum === 'number' ? node.minimum : 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return depth >= maxDepth ? [] : [sampleSchema(node.items, name, depth + 1)];
    default:
      return isObject(node.properties) && depth < maxDepth ? sampleObject(node, depth) : {};
  }
}

function sampleObject(node: Record<string, unknown>, depth: number): Record<string, unknown> {
  const required = new Set(toArray(node.required));
  const members = Object.entries(toObject(node.properties)).filter(
    ([name]) => required.size === 0 || required.has(name),
  );
  return Object.fromEntries(members.map(([name, member]) => [name, sampleSchema(member, name, depth + 1)]));
}
