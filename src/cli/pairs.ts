/**
 * Reads `id=value,id=value`. Values may contain `=`, and never appear in errors.
 *
 * @throws TypeError that names `name`
 */
export function readPairs(name: string, text: string | undefined): Readonly<Record<string, string>> {
  const pairs = (text ?? '').split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, id = '', value = ''] = /^\s*([A-Za-z0-9._-]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
      if (id === '') throw new TypeError(`${name} has the form id=value,id=value.`);
      return [id, value];
    }),
  );
}
