/** Whether a text is what is written, or begins as it does up to its final `*`. */
export function matchesText(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : pattern === text;
}

/** Whether a text matches any of these. */
export function matchesAnyText(patterns: readonly string[], text: string): boolean {
  for (const pattern of patterns) if (matchesText(pattern, text)) return true;
  return false;
}
