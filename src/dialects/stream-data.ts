/** Members of a parsed JSON object. */
export type Members = Readonly<Record<string, unknown>>;

/** The value if it is a JSON object, else undefined. */
export function asObject(value: unknown): Members | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Members)
    : undefined;
}

/** The objects of an array; none when it is not an array. */
export function asObjects(value: unknown): Members[] {
  return Array.isArray(value) ? value.filter((item) => asObject(item) !== undefined) : [];
}

/** The value if it is a non-empty string, else undefined. */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Parses the data of an event; undefined when it is not a JSON object. */
export function parseObject(data: string): Members | undefined {
  try {
    return asObject(JSON.parse(data));
  } catch {
    return undefined;
  }
}

/** What data is at first sight, without parsing it. */
export type DataKind = 'object' | 'done' | 'blank' | 'broken';

/** Judges data by its ends: cheap enough for every event, and finds what was cut off or never was JSON. */
export function dataKind(data: string): DataKind {
  if (data.charCodeAt(0) === 123 && data.charCodeAt(data.length - 1) === 125) return 'object';
  const trimmed = data.trim();
  if (trimmed === '') return 'blank';
  if (trimmed === '[DONE]') return 'done';
  return trimmed.startsWith('{') && trimmed.endsWith('}') ? 'object' : 'broken';
}

/**
 * The type of a typed event: its `event:` line, or the `type` of its data for servers that send none. Parses only
 * when the type is not the first member.
 */
export function eventType(name: string | undefined, data: string): string | undefined {
  if (name !== undefined && name !== '' && name !== 'message') return name;
  const opening = '{"type":"';
  if (data.startsWith(opening)) return data.slice(opening.length, data.indexOf('"', opening.length));
  return asText(parseObject(data)?.type);
}
