import { expect, it, vi } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { createPrincipal } from '../../src/principal.ts';
import '../../src/index.ts';

const made = vi.hoisted(() => [] as string[]);

vi.mock('zod', async (load) => {
  const zod = await load<typeof import('zod')>();
  const counted = Object.entries(zod).map(([name, value]) => [
    name,
    typeof value === 'function' && /^[a-z]/.test(name)
      ? (...inputs: unknown[]) => {
          made.push(name);
          return (value as (...inputs: unknown[]) => unknown)(...inputs);
        }
      : value,
  ]);
  return Object.fromEntries(counted);
});

it('is made when it is first needed, not when the package is imported', () => {
  expect(made).toEqual([]);
  createPrincipal({ source: 'host', key: 'session', team: 'web' });
  expect(made).toContain('object');
  expect(configSchema()).toBe(configSchema());
  expect(made).toContain('strictObject');
});
