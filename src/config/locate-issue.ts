import type { SourcePlace } from './config-file-error.ts';

/**
 * Finds where in a JSON or YAML text an issue's path points, or its nearest ancestor that stands there. Names may
 * hold dots (`models.gpt-4.1.targets[0]`), so the longest name that fits is taken at each step.
 *
 * @returns undefined for the root and for a text that cannot be parsed
 */
export async function locateIssue(text: string, path: string): Promise<SourcePlace | undefined> {
  const { isMap, isScalar, isSeq, LineCounter, parseDocument } = await import('yaml');
  const lineCounter = new LineCounter();
  // JSON is YAML too, as far as finding places goes
  const document = parseDocument(text, {
    lineCounter,
    strict: false,
    uniqueKeys: false,
    prettyErrors: false,
  });
  let node: unknown = document.contents;
  let offset: number | undefined;
  let rest = path;
  for (;;) {
    if (isMap(node)) {
      const pairs = node.items.flatMap((pair) =>
        isScalar(pair.key) && isHead(String(pair.key.value), rest)
          ? [{ key: pair.key, value: pair.value }]
          : [],
      );
      const best = pairs.sort(
        (one, other) => String(other.key.value).length - String(one.key.value).length,
      )[0];
      if (!best) break;
      offset = best.key.range?.[0] ?? offset;
      node = best.value;
      rest = rest.slice(String(best.key.value).length).replace(/^\./, '');
    } else if (isSeq(node)) {
      const index = /^\[(\d+)\]\.?/.exec(rest);
      const item: unknown = index ? node.items[Number(index[1])] : undefined;
      if (!index || !item) break;
      offset = (item as { range?: readonly [number, ...number[]] | null }).range?.[0] ?? offset;
      node = item;
      rest = rest.slice(index[0].length);
    } else {
      break;
    }
  }
  if (offset === undefined) return undefined;
  const { line, col } = lineCounter.linePos(offset);
  return { line, column: col };
}

function isHead(name: string, path: string): boolean {
  if (!path.startsWith(name)) return false;
  const next = path[name.length];
  return next === undefined || next === '.' || next === '[';
}
