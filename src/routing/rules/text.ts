/** Whether a text equals a pattern, or begins with it up to its final `*`. */
export function matchesText(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : pattern === text;
}

/** Whether a text matches any pattern. */
export function matchesAnyText(patterns: readonly string[], text: string): boolean {
  for (const pattern of patterns) if (matchesText(pattern, text)) return true;
  return false;
}

/** The same for many texts: the patterns are parsed once. */
export function compileTexts(patterns: readonly string[]): (text: string) => boolean {
  const exact = patterns.filter((pattern) => !pattern.endsWith('*'));
  const prefixes = patterns.filter((pattern) => pattern.endsWith('*')).map((pattern) => pattern.slice(0, -1));
  if (prefixes.length === 0) {
    const [only] = exact;
    if (exact.length === 1) return (text) => text === only;
    const all = new Set(exact);
    return (text) => all.has(text);
  }
  const [prefix] = prefixes;
  if (exact.length === 0 && prefixes.length === 1) return (text) => text.startsWith(prefix as string);
  return (text) => exact.includes(text) || prefixes.some((one) => text.startsWith(one));
}
