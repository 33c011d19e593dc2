/** Finds which entries of a catalog a pattern concerns, without scanning them all. */
export interface NameIndex {
  readonly size: number;
  /** Place of the entry with exactly this name. */
  exact(name: string): number | undefined;
  /** Place of the entry with the longest pattern that matches this name. */
  longestPattern(name: string): number | undefined;
  /** Calls back with the place of every entry whose name or pattern overlaps the pattern, possibly twice. */
  eachOverlap(pattern: string, found: (index: number) => void): void;
}

/** @param names names of the entries, some of them patterns, by place */
export function createNameIndex(names: readonly string[]): NameIndex {
  const byName = new Map<string, number>();
  const byPrefix = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    if (name.endsWith('*')) byPrefix.set(name.slice(0, -1), index);
    else byName.set(name, index);
  }
  const stems = names
    .map((name, index) => ({ stem: name.endsWith('*') ? name.slice(0, -1) : name, index }))
    .sort((one, other) => (one.stem < other.stem ? -1 : one.stem > other.stem ? 1 : 0));
  // there are few different lengths, however many patterns
  const lengths = [...new Set([...byPrefix.keys()].map((prefix) => prefix.length))].sort(
    (one, other) => other - one,
  );

  /** Place of the first stem that does not sort before a text. */
  function lowerBound(text: string): number {
    let low = 0;
    let high = stems.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((stems[middle] as { stem: string }).stem < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    size: names.length,
    exact: (name) => byName.get(name),
    longestPattern(name) {
      for (const length of lengths) {
        if (length > name.length) continue;
        const index = byPrefix.get(name.slice(0, length));
        if (index !== undefined) return index;
      }
      return undefined;
    },
    eachOverlap(pattern, found) {
      const isPrefix = pattern.endsWith('*');
      const text = isPrefix ? pattern.slice(0, -1) : pattern;
      if (isPrefix) {
        for (let at = lowerBound(text); at < stems.length; at++) {
          const { stem, index } = stems[at] as { stem: string; index: number };
          if (!stem.startsWith(text)) break;
          found(index);
        }
      } else {
        const index = byName.get(text);
        if (index !== undefined) found(index);
      }
      for (const length of lengths) {
        if (length > text.length) continue;
        const index = byPrefix.get(text.slice(0, length));
        if (index !== undefined) found(index);
      }
    },
  };
}
