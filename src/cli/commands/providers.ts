import { toShown } from '../../config/diff-config.ts';
import { createSectionCommands, toEntry } from '../show.ts';

/** `providers list` and `providers show`. */
export const providersCommands = createSectionCommands({
  section: 'providers',
  noun: 'provider',
  head: ['TYPE', 'BASE URL', 'CREDENTIALS'],
  toCells: ({ type, baseUrl, apiKey, credentials }, name) => [
    type as string | undefined,
    toShown(baseUrl, ['providers', name, 'baseUrl']) as string | undefined,
    Array.isArray(credentials)
      ? credentials
          .map(toEntry)
          .map(({ id, apiKey: source }) => `${id} (${toPlace(source)})`)
          .join(', ')
      : toPlace(apiKey),
  ],
});

/** Where a secret comes from; never what it is. */
function toPlace(source: unknown): string | undefined {
  if (source === undefined) return undefined;
  if (typeof source !== 'object' || source === null)
    return typeof source === 'function' ? 'function' : 'literal';
  const shown = toShown(source, ['providers', '', 'apiKey']) as object;
  return Object.entries(shown)
    .map(([kind, name]) => `${kind} ${name}`)
    .join();
}
