const maxLength = 64;

/**
 * The name that was probably meant: the one of `names` fewest edits away, if that is at most a third of its length
 * (one edit for short ones). Undefined if none is close, so that wrong suggestions are rare.
 */
export function nearestName(wrong: string, names: Iterable<string>): string | undefined {
  if (wrong.length === 0 || wrong.length > maxLength) return undefined;
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(wrong.length / 3)) + 1;
  const lower = wrong.toLowerCase();
  for (const name of names) {
    if (name.length > maxLength || Math.abs(name.length - wrong.length) >= least) continue;
    const distance = editsBetween(lower, name.toLowerCase());
    if (distance >= least) continue;
    nearest = name;
    least = distance;
  }
  return nearest;
}

/** `; did you mean "…"?`, or nothing if no name is close. */
export function suggest(wrong: string, names: Iterable<string>): string {
  const nearest = nearestName(wrong, names);
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}

/** How many insertions, deletions, replacements and swaps of neighbours turn one text into the other. */
function editsBetween(one: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1];
      let edits = Math.min(
        (last[column] as number) + 1,
        (current[column - 1] as number) + 1,
        (last[column - 1] as number) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]) {
        edits = Math.min(edits, (beforeLast[column - 2] as number) + 1);
      }
      current.push(edits);
    }
    beforeLast = last;
    last = current;
  }
  return last[other.length] as number;
}
