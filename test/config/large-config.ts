import type { GatewayConfig } from 'headgate';

/** A configuration of a large organisation: families of ten versions, a profile and a team for each number, half with projects. */
export function makeLargeConfig(models: number, profiles: number): GatewayConfig {
  const nameOf = (index: number) => `family-${Math.floor(index / 10)}-v${index % 10}`;
  const names = Array.from({ length: models }, (_, index) => nameOf(index));
  const each = <Value>(count: number, prefix: string, make: (index: number) => Value) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`${prefix}${index}`, make(index)]));
  return {
    providers: { openai: { type: 'openai', apiKey: 'sk-one' } },
    models: Object.fromEntries(
      names.map((name, index) => [
        name,
        {
          targets: ['openai'],
          aliases: [`alias-${index}`],
          family: `family-${Math.floor(index / 10)}`,
          releasedAt: `20${String(10 + (index % 10))}-01-01`,
          // every tenth has no price, so that prices must be checked
          ...(index % 10 !== 9 && { price: { input: 2, output: 8 } }),
        },
      ]),
    ),
    profiles: each(profiles, 'profile-', (index) => {
      const family = index % Math.ceil(models / 10);
      return {
        models: Array.from({ length: 20 }, (_, place) =>
          place < 10
            ? (names[(index * 7 + place * 11) % models] as string)
            : `family-${(index + place) % Math.ceil(models / 10)}-*`,
        ).concat(nameOf(family * 10)),
        limits: [
          { unit: 'requests' as const, amount: 60, window: '1m' },
          { unit: 'usd' as const, amount: 5, window: '1d', models: [nameOf(family * 10)] },
        ],
        pins: { [`family-${family}`]: nameOf(family * 10) },
      };
    }),
    teams: each(profiles, 'team-', (index) => ({
      profile: `profile-${index}`,
      limits: [{ unit: 'tokens' as const, amount: 100_000, window: '1m' }],
    })),
    projects: each(Math.floor(profiles / 2), 'project-', (index) => ({
      team: `team-${index}`,
      limits: [{ unit: 'requests' as const, amount: 600, window: '1h' }],
    })),
  };
}
