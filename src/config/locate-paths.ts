import type { YAMLMap } from 'yaml';
import type { SourcePlace } from './config-file-error.ts';

/**
 * Finds where the paths of issues point in a JSON or YAML text, or else their nearest ancestors that are there. Names
 * may contain dots (`models.gpt-4.1.targets[0]`), so each step takes the longest name that fits. All paths in one call,
 * since each call parses the text.
 *
 * @returns a place for each path; undefined for the root and for a text that cannot be parsed
 */
export async function locatePaths(
  text: string,
  paths: readonly string[],
): Promise<(SourcePlace | undefined)[]> {
  const { isMap, isScalar, isSeq, LineCounter, parseDocument } = await import('yaml');
  const lineCounter = new LineCounter();
  // for finding places, JSON is YAML too
  const { contents } = parseDocument(text, {
    lineCounter,
    strict: false,
    uniqueKeys: false,
    prettyErrors: false,
  });
  const indexes = new Map<YAMLMap, Map<string, YAMLMap['items'][number]>>();
  const indexOf = (map: YAMLMap) => {
    const known = indexes.get(map);
    if (known) return known;
    const named = map.items.filter(({ key }) => isScalar(key)).reverse();
    const index = new Map(named.map((pair) => [String((pair.key as { value: unknown }).value), pair]));
    indexes.set(map, index);
    return index;
  };
  return paths.map((path) => {
    let node: unknown = contents;
    let offset: number | undefined;
    let rest = path;
    for (;;) {
      if (isMap(node)) {
        const index = indexOf(node);
        const name = headsOf(rest).find((head) => index.has(head));
        if (name === undefined) break;
        const pair = index.get(name);
        offset = offsetOf(pair?.key) ?? offset;
        node = pair?.value;
        rest = rest.slice(name.length).replace(/^\./, '');
      } else if (isSeq(node)) {
        const index = /^\[(\d+)\]\.?/.exec(rest);
        const item: unknown = index ? node.items[Number(index[1])] : undefined;
        if (!index || !item) break;
        offset = offsetOf(item) ?? offset;
        node = item;
        rest = rest.slice(index[0].length);
      } else {
        break;
      }
    }
    if (offset === undefined) return undefined;
    const { line, col } = lineCounter.linePos(offset);
    return { line, column: col };
  });
}

function offsetOf(node: unknown): number | undefined {
  return (node as { range?: readonly [number, ...number[]] | null } | undefined)?.range?.[0];
}

/** The names that a path may begin with, longest first. */
function headsOf(path: string): string[] {
  const ends = Array.from(path.matchAll(/[.[]|$/g), ({ index }) => index);
  return ends.map((end) => path.slice(0, end)).reverse();
}
