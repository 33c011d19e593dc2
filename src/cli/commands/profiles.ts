import { createSectionCommands, toEntry, toList } from '../show.ts';

/** `profiles list` and `profiles show`. */
export const profilesCommands = createSectionCommands({
  section: 'profiles',
  noun: 'profile',
  head: ['MODELS', 'LIMITS', 'PINS', 'TEAMS'],
  toCells({ models, limits, pins }, name, { teams }) {
    const users = Object.entries(toEntry(teams)).filter(([, team]) => toEntry(team).profile === name);
    return [
      toList(models) ?? '*',
      toList(limits, toLimitText),
      toList(Object.entries(toEntry(pins)), (pin) => (pin as string[]).join('=')),
      users.map(([team]) => team).join(', '),
    ];
  },
});

function toLimitText(limit: unknown): string {
  const { amount, unit, window } = toEntry(limit);
  const text = typeof window === 'object' ? JSON.stringify(window) : window;
  return `${amount} ${unit}${text === undefined ? '' : `/${text}`}`;
}
