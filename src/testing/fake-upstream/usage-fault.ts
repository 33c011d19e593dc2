import type { UsageFault } from './faults.ts';
import { isObject, type JsonObject, toArray } from './json.ts';

const usageKeys = ['usage', 'usageMetadata'];

/**
 * The JSON text with its usage falsified, `undefined` if it has none, and '' if nothing of it is left
 * (a chunk that held only usage).
 */
export function falsifyUsage(text: string, how: UsageFault['usage']): string | undefined {
  if (!usageKeys.some((key) => text.includes(`"${key}"`))) {
    return undefined;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) {
    return undefined;
  }
  // Anthropic's message_start and OpenAI's response events nest theirs one level down.
  for (const holder of [value, value.message, value.response]) {
    if (isObject(holder)) {
      falsifyMember(holder, how);
    }
  }
  const isUsageChunk = 'choices' in value && toArray(value.choices).length === 0;
  return how === 'missing' && isUsageChunk ? '' : JSON.stringify(value);
}

function falsifyMember(holder: JsonObject, how: UsageFault['usage']): void {
  for (const key of usageKeys) {
    if (how === 'missing') {
      delete holder[key];
    } else if (isObject(holder[key])) {
      holder[key] = how === 'null' ? null : mapNumbers(holder[key], how);
    }
  }
}

function mapNumbers(value: unknown, how: UsageFault['usage']): unknown {
  if (typeof value === 'number') {
    return falsify(value, how);
  }
  if (Array.isArray(value)) {
    return value.map((item) => mapNumbers(item, how));
  }
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, mapNumbers(member, how)]));
  }
  return value;
}

function falsify(value: number, how: UsageFault['usage']): number | string {
  switch (how) {
    case 'negative':
      return -1 - value;
    case 'string':
      return String(value);
    case 'huge':
      return 1e308;
    case 'fraction':
      return value + 0.5;
    default:
      return value * 1_000;
  }
}
