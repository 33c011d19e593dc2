import { describe, expect, it } from 'vitest';
import { tellOfLimits } from '../src/limits/tell-of-limits.ts';
import { quietly } from '../src/quietly.ts';

const fault = new Error('The pager is down.');

/** What the process is told that nobody has caught. */
async function unhandledIn(act: () => void): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', (reason) => unhandled.push(reason));
  try {
    act();
    await new Promise((resolve) => setTimeout(resolve, 5));
  } finally {
    process.removeAllListeners('unhandledRejection');
    for (const other of others) process.on('unhandledRejection', other);
  }
  return unhandled;
}

describe('who is told of a failure', () => {
  it('makes no other one, whether it throws or rejects', async () => {
    const throwing = quietly(() => {
      throw fault;
    });
    expect(throwing).not.toThrow();
    expect(await unhandledIn(quietly(() => Promise.reject(fault)))).toEqual([]);
  });
});

describe('who is told of limits', () => {
  it('has what it throws or rejects with told to onError', async () => {
    const errors: unknown[] = [];
    const tellBy = (onLimit: () => void) => tellOfLimits(onLimit, (error) => void errors.push(error));
    tellBy(() => {
      throw fault;
    })({ kind: 'lease-lost', id: 'one' });
    const rejecting = tellBy(async () => Promise.reject(fault));
    expect(await unhandledIn(() => rejecting({ kind: 'lease-lost', id: 'two' }))).toEqual([]);
    expect(errors).toEqual([fault, fault]);
  });
});
