import { expect, it, onTestFinished, vi } from 'vitest';
import { createUndiciEgress } from '../../src/upstream/undici-egress.ts';
import { eventually } from '../eventually.ts';

const loads = vi.hoisted(() => ({ count: 0 }));
vi.mock('undici', async (original) => {
  loads.count++;
  return original();
});

it('undici is loaded when the way out is made, behind whoever makes it, and not only with a request', async () => {
  const egress = createUndiciEgress();
  onTestFinished(() => egress.close());
  // importing the package, and making a gateway, wait for none of it
  expect(loads.count).toBe(0);
  await eventually(() => expect(loads.count).toBe(1));
});
