import { createSectionCommands, toEntry, toList } from '../show.ts';

/** `models list` and `models show`. */
export const modelsCommands = createSectionCommands({
  section: 'models',
  noun: 'model',
  head: ['TARGETS', 'ALIASES', 'FAMILY', 'STATE'],
  toCells: ({ targets, aliases, family, enabled, deprecatedAt, retiresAt }) => [
    toList(targets, toTargetText),
    toList(aliases),
    family as string | undefined,
    [
      enabled === false ? 'disabled' : 'enabled',
      ...(deprecatedAt === undefined ? [] : [`deprecated ${deprecatedAt}`]),
      ...(retiresAt === undefined ? [] : [`retires ${retiresAt}`]),
    ].join(', '),
  ],
});

function toTargetText(target: unknown): string {
  if (typeof target === 'string') return target;
  const { provider, model } = toEntry(target);
  return model === undefined ? String(provider) : `${provider}/${model}`;
}
