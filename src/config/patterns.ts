/** Whether a name equals a pattern, or begins with it up to its final `*`. */
export function matchesPattern(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

/** Whether a name matches any of the patterns. */
export function matchesAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, name));
}

/** Whether some name matches both patterns. */
export function overlaps(one: string, other: string): boolean {
  return matchesPattern(one, other.replace(/\*$/, '')) || matchesPattern(other, one.replace(/\*$/, ''));
}
