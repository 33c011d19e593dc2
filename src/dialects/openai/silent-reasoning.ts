import { asObject } from '../stream-data.ts';

/** Whether an item is reasoning that shows nothing. What is encrypted in it shows nothing, either. */
export function isSilentReasoning(item: unknown): boolean {
  const { type, summary, content } = asObject(item) ?? {};
  if (type !== 'reasoning') return false;
  return [summary, content].every((parts) => !Array.isArray(parts) || parts.length === 0);
}
